import { type Problem, type ProblemCode, ProblemError } from '@muster/shared-types';
import { UnreachableError } from '@muster/client';

/** What the exit status of every command means. */
export const EXIT = { ok: 0, usage: 2, notFound: 3, refused: 4, failed: 5, timedOut: 6 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failure of a command's own, told in words, with what to do next. */
export class CliError extends Error {
  override readonly name = 'CliError';
  constructor(
    message: string,
    readonly exitCode: ExitCode,
    readonly hint?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An error as a person and a program read it. */
export interface Failure {
  code: string;
  message: string;
  hint?: string;
  errors?: { path: string; message: string }[];
  facts?: Record<string, string>;
  request_id?: string;
  exit_code: ExitCode;
}

/** What to do next where the server's problem does not say so itself. */
const NEXT_STEPS: Partial<Record<ProblemCode, string>> = {
  unauthenticated: 'Set MUSTER_URL and MUSTER_API_KEY, or start a market here with: muster up',
  session_expired: 'Make a new API key, or start the market here again with: muster up',
  scope_missing: 'Make a key with that scope: muster keys create --scope NAME',
  insufficient_funds: 'See what is left with: muster balance',
  no_capacity: 'Try again later, or destroy it and rent elsewhere: muster search',
  offer_gone: 'See what is free now with: muster search',
  price_changed: 'See the present price with: muster search',
  ssh_key_required: 'Name one with: --ssh-key FILE.pub',
  node_unreachable: 'Try again in some seconds; see the node with: muster node ls',
  unavailable: 'Try again in some seconds; see the parts of a local market with: muster status',
  internal: 'The log of the backend has the request: give its request id to the operator',
};

/** The code of what the command line itself refuses: for programs, a person has the words. */
export const LOCAL_FAULT = 'cli';

/** Any thrown value as a failure with its exit code. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CliError) return { code: LOCAL_FAULT, message: error.message, ...(error.hint && { hint: error.hint }), exit_code: error.exitCode };
  if (error instanceof ProblemError) return ofProblem(error.problem);
  if (error instanceof UnreachableError) return ofUnreachable(error);
  return { code: 'unexpected', message: error instanceof Error ? error.message : String(error), exit_code: EXIT.failed };
}

function ofProblem(problem: Problem): Failure {
  const hint = problem.hint ?? NEXT_STEPS[problem.code];
  return {
    code: problem.code,
    message: problem.detail ?? problem.title,
    ...(hint && { hint }),
    ...(problem.errors && { errors: problem.errors }),
    ...(problem.facts && { facts: problem.facts }),
    ...(problem.request_id && { request_id: problem.request_id }),
    exit_code: exitCodeOf(problem),
  };
}

function ofUnreachable(error: UnreachableError): Failure {
  return {
    code: error.timedOut ? 'timed_out' : 'unreachable',
    message: error.message,
    hint: 'Is the market running? Start it here with: muster up. Another one: set MUSTER_URL and MUSTER_API_KEY',
    exit_code: error.timedOut ? EXIT.timedOut : EXIT.failed,
  };
}

/** By meaning, not by status alone: a thing of somebody else's is "not yours", a bad field is usage. */
export function exitCodeOf(problem: Pick<Problem, 'code' | 'status'>): ExitCode {
  if (problem.code === 'not_found' || problem.code === 'forbidden') return EXIT.notFound;
  if (problem.code === 'invalid_request' || problem.code === 'unknown_template') return EXIT.usage;
  return problem.status >= 500 ? EXIT.failed : EXIT.refused;
}
