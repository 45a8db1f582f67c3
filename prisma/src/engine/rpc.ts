import { createInterface } from 'node:readline';
import { z } from 'zod';
import { createDatabase, withClient, type ConnectionFields } from './connection.js';
import type { EngineAdapterFactory } from './engine-adapter.js';
import { lastPanic, loadEngine, type SchemaEngine } from './wasm-engine.js';

const request = z.object({ id: z.number(), method: z.string(), params: z.record(z.string(), z.unknown()).nullish() });
type Request = z.infer<typeof request>;

/** JSON-RPC 2.0, one message a line; the code that the Prisma CLI reads as "see data". */
const KNOWN_ERROR = 4466;
/** Ids of the messages that we send to the CLI must not meet its own. */
const PRINT_ID_OFFSET = 1_000_000;

export interface RpcSession {
  fields: ConnectionFields;
  datamodels: readonly [string, string][];
  adapters: EngineAdapterFactory;
}

/** Answers the Prisma CLI until it closes standard input. */
export async function serveRpc(session: RpcSession): Promise<void> {
  let engine: Promise<SchemaEngine> | undefined;
  const getEngine = () => (engine ??= loadEngine(session.datamodels, session.adapters));
  for await (const line of createInterface({ input: process.stdin })) {
    const message = request.safeParse(line.trim() ? JSON.parse(line) : undefined);
    if (message.success) await answer(message.data, session, getEngine); // anything else is the answer to a print of ours
  }
}

async function answer(message: Request, session: RpcSession, engine: () => Promise<SchemaEngine>): Promise<void> {
  try {
    const result = await call(message, session, engine);
    // Before the answer: the CLI ends this process right after its last one.
    await session.adapters.dropShadows();
    if (message.method === 'diff') printDiff(message.id, result);
    send({ id: message.id, result: result ?? null });
  } catch (error) {
    await session.adapters.dropShadows();
    send({ id: message.id, error: { code: KNOWN_ERROR, message: 'An error happened. Check the data field for details.', data: describeError(error) } });
  }
}

async function call(message: Request, session: RpcSession, engine: () => Promise<SchemaEngine>): Promise<unknown> {
  const params = message.params ?? {};
  switch (message.method) {
    case 'createDatabase':
      return { databaseName: (await createDatabase(session.fields)).name };
    case 'getDatabaseVersion':
      return callEngine(await engine(), 'version', params);
    case 'dbExecute':
      await withClient(session.fields, (client) => client.query(z.string().parse(params['script'])));
      return null;
    case 'createMigration':
    case 'evaluateDataLoss':
      // Without a diagnosis just before, on the same instance, the engine refuses: it has no shadow database.
      await callEngine(await engine(), 'devDiagnostic', { migrationsList: params['migrationsList'], filters: params['filters'] });
      return callEngine(await engine(), message.method, params);
    default:
      return callEngine(await engine(), message.method, params);
  }
}

function callEngine(engine: SchemaEngine, method: string, params: unknown): Promise<unknown> {
  const run = engine[method];
  if (typeof run !== 'function') throw new Error(`the schema engine has no method ${method}`);
  return run.call(engine, params);
}

function printDiff(id: number, result: unknown): void {
  const printed = z.object({ stdout: z.string().nullish() }).parse(result).stdout;
  if (printed) send({ id: PRINT_ID_OFFSET + id, method: 'print', params: { content: printed } });
}

function describeError(error: unknown): Record<string, unknown> {
  const panic = lastPanic();
  const { message, code, meta } = (error ?? {}) as { message?: string; code?: string; meta?: unknown };
  return { is_panic: panic !== undefined, message: panic ?? message ?? String(error), error_code: code ?? null, meta: meta ?? null };
}

function send(message: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}
