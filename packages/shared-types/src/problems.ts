import { z } from 'zod';

interface ProblemKind {
  status: number;
  title: string;
  /** The same request may succeed later without being changed. */
  retryable: boolean;
}

const kind = (status: number, title: string, retryable = false): ProblemKind => ({ status, title, retryable });

/**
 * Every expected failure, once: code → HTTP status, title, retryable. HTTP answers them as RFC 9457
 * `application/problem+json`, sockets nack with the same shape; clients switch on `code`, never on text.
 */
export const problems = {
  invalid_request: kind(422, 'The request is not valid'),
  payload_too_large: kind(413, 'The request is too large'),
  unsupported_media_type: kind(415, 'The body must be JSON'),
  unauthenticated: kind(401, 'Sign in or send an API key'),
  session_expired: kind(401, 'The session has ended'),
  bad_credentials: kind(401, 'E-mail or password is wrong'),
  forbidden: kind(403, 'This key or account may not do that'),
  scope_missing: kind(403, 'The API key lacks the scope for this'),
  not_found: kind(404, 'Nothing here under that name'),
  method_not_allowed: kind(405, 'Not allowed on this path'),
  email_taken: kind(409, 'An account with this e-mail exists'),
  idempotency_conflict: kind(422, 'This Idempotency-Key was used with another request'),
  idempotency_in_flight: kind(409, 'A request with this Idempotency-Key is still running', true),
  price_changed: kind(409, 'The price has changed since it was quoted'),
  no_capacity: kind(409, 'Its machine has no room for it now', true),
  offer_gone: kind(409, 'This offer is no longer free'),
  ports_exhausted: kind(503, 'No public ports are free', true),
  insufficient_funds: kind(402, 'The balance does not cover this'),
  key_in_use: kind(409, 'This key is registered already'),
  weak_key: kind(422, 'This type of SSH key is not accepted'),
  ssh_key_required: kind(422, 'This template has SSH and needs at least one SSH key'),
  template_taken: kind(409, 'There is a template of this name'),
  unknown_template: kind(422, 'There is no such template'),
  action_not_allowed: kind(409, 'Not possible in the present state'),
  node_not_ready: kind(409, 'The node is not ready for that'),
  preflight_failed: kind(409, 'The node does not pass a required check'),
  node_key_taken: kind(409, 'This node key belongs to another owner'),
  bad_signature: kind(403, 'The signature does not prove the node key'),
  nonce_used: kind(403, 'The nonce is unknown, used or expired'),
  not_proven: kind(403, 'This socket has not proven its node key'),
  superseded: kind(409, 'A newer connection of this node is open'),
  unknown_event: kind(400, 'There is no such message'),
  stale_message: kind(409, 'The message belongs to an older epoch or generation'),
  unknown_image: kind(422, 'No node can get this image'),
  hold_too_small: kind(422, 'The price limit is too low for any node that fits'),
  bad_result: kind(422, 'The result does not match its hash'),
  link_expired: kind(403, 'This link is no longer good'),
  range_not_satisfiable: kind(416, 'This range lies behind the end'),
  result_expired: kind(410, 'This result is no longer kept'),
  rate_limited: kind(429, 'Too many requests', true),
  unavailable: kind(503, 'A part of the market is down', true),
  node_unreachable: kind(503, 'The node does not answer', true),
  internal: kind(500, 'Something went wrong on our side', true),
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problems;
export const ProblemCode = z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]);

/** RFC 9457 problem, over HTTP and in socket nacks alike. */
export const Problem = z
  .object({
    type: z.string(),
    code: ProblemCode,
    title: z.string(),
    status: z.number().int(),
    detail: z.string().optional(),
    /** What to do next, in words for a person. */
    hint: z.string().optional(),
    retryable: z.boolean(),
    request_id: z.string().optional(),
    /** One entry per bad field of an `invalid_request`. */
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    /** Machine-readable facts of this problem, e.g. `{ dph_total: "0.420000" }` for `price_changed`. */
    facts: z.record(z.string(), z.string()).optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

export interface ProblemDetails {
  detail?: string;
  hint?: string;
  errors?: { path: string; message: string }[];
  facts?: Record<string, string>;
  request_id?: string;
}

/** Builds a problem from its code; the catalogue supplies status, title and retryability. */
export function makeProblem(code: ProblemCode, details: ProblemDetails = {}): Problem {
  const { status, title, retryable } = problems[code];
  return { type: `urn:muster:problem:${code}`, code, title, status, retryable, ...details };
}

/** `errors[]` of an `invalid_request` from a failed zod parse: `body.disk_gb` style paths. */
export function fieldErrors(error: z.ZodError, prefix = ''): { path: string; message: string }[] {
  return error.issues.slice(0, 20).map((issue) => ({
    path: [prefix, ...issue.path.map(String)].filter((part) => part !== '').join('.'),
    message: issue.message,
  }));
}

/** An expected failure as a thrown value, for the edge; inside, verbs return it. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(`${problem.code}: ${problem.detail ?? problem.title}`);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

/** Either a value or an expected failure. */
export type Result<T> = { ok: true; value: T } | { ok: false; problem: Problem };
export const ok = <T>(value: T): Result<T> => ({ ok: true, value });
export const fail = (code: ProblemCode, details?: ProblemDetails): { ok: false; problem: Problem } => ({
  ok: false,
  problem: makeProblem(code, details),
});
/** The value, or throws the problem for the edge to answer. */
export function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
