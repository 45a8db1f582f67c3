import { z } from 'zod';

const Cause = z.object({
  kind: z.string().optional(),
  originalCode: z.string().optional(),
  constraint: z.object({ index: z.string().optional(), fields: z.array(z.string()).optional() }).optional(),
});
type Cause = z.infer<typeof Cause>;

const PrismaError = z.object({
  code: z.string().optional(),
  meta: z.object({ driverAdapterError: z.object({ cause: Cause }).optional() }).optional(),
  cause: Cause.optional(),
});

/** What the driver said, wherever this version of Prisma put it. */
function causeOf(error: unknown): { code: string | undefined; cause: Cause | undefined } {
  const parsed = PrismaError.safeParse(error);
  if (!parsed.success) return { code: undefined, cause: undefined };
  return { code: parsed.data.code, cause: parsed.data.meta?.driverAdapterError?.cause ?? parsed.data.cause };
}

/** SQLSTATE of a failed statement, when Postgres gave one. */
export function sqlState(error: unknown): string | undefined {
  return causeOf(error).cause?.originalCode;
}

/** Deadlock or serialization failure: the whole transaction may be tried again. It arrives as P2034, as P2010 or bare. */
export function isTransient(error: unknown): boolean {
  const { code, cause } = causeOf(error);
  if (code === 'P2034' || cause?.kind === 'TransactionWriteConflict') return true;
  return cause?.originalCode === '40001' || cause?.originalCode === '40P01';
}

/** Name of the unique index or constraint that a write broke; undefined when it broke none. */
export function brokenConstraint(error: unknown): string | undefined {
  const { cause } = causeOf(error);
  return cause?.kind === 'UniqueConstraintViolation' || cause?.originalCode === '23505' ? (cause.constraint?.index ?? cause.constraint?.fields?.join(',') ?? '') : undefined;
}

const CONNECTION_CODES = new Set(['P1000', 'P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT']);
const CONNECTION_KINDS = new Set(['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TlsConnectionError', 'TooManyConnections']);
/** Classes 57P (shutdown, cannot connect now), 08 (connection) and 53 (out of resources). */
const CONNECTION_STATES = /^(57P0[1-5]|08...|53...)$/;

/** Postgres is away, going away or full: the request may be tried again later. */
export function isDatabaseDown(error: unknown): boolean {
  const { code, cause } = causeOf(error);
  if (code !== undefined && CONNECTION_CODES.has(code)) return true;
  if (cause?.kind !== undefined && CONNECTION_KINDS.has(cause.kind)) return true;
  return cause?.originalCode !== undefined && CONNECTION_STATES.test(cause.originalCode);
}
