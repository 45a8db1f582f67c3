import { Catch, HttpException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { makeProblem, operations, problems, ProblemError, type Problem, type ProblemCode, type ProblemDetails } from '@muster/shared-types';
import { isDatabaseDown } from './db-errors.js';
import { requestIdOf } from './request-id.js';
import { RateLimitedError } from './rate-limit.js';

const RETRY_AFTER_S = 5;

/** The one place where what was thrown becomes an answer: RFC 9457 `application/problem+json`, always. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log = new Logger('Problem');

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    const problem = problemFor(error, request);
    if (problem.code === 'internal') this.#log.error({ err: error, request_id: requestIdOf(request) }, 'unexpected failure');
    if (response.headersSent) return void response.destroy();
    setHeaders(response, request, problem, error);
    sendProblem(request, response, problem);
  }
}

export function sendProblem(request: Request, response: Response, problem: Problem): void {
  const body = JSON.stringify({ ...problem, request_id: requestIdOf(request) });
  response.status(problem.status).type('application/problem+json').send(body);
}

/** Which problem an error is. Expected ones carry theirs; everything unknown is `internal` and says nothing else. */
export function problemFor(error: unknown, request: Request): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (isDatabaseDown(error)) return makeProblem('unavailable', { detail: 'The database does not answer' });
  if (isRedisDown(error)) return makeProblem('unavailable', { detail: 'The cache does not answer' });
  const status = statusOf(error);
  if (status === 404) return unknownPath(request);
  const known = status === undefined ? undefined : byStatus(status);
  return known ? makeProblem(known.code, known.details) : makeProblem('internal');
}

function byStatus(status: number): { code: ProblemCode; details?: ProblemDetails } | undefined {
  if (status === 413) return { code: 'payload_too_large' };
  if (status === 415) return { code: 'unsupported_media_type' };
  if (status === 400) return { code: 'invalid_request', details: { detail: 'The request could not be read: its body must be one JSON object, its path valid' } };
  return status < 500 && status >= 400 ? { code: 'invalid_request' } : undefined;
}

/** Nest's own exceptions and those of the body parser; both say the status, and nothing else of them goes out. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (error instanceof URIError) return 400;
  if (!(error instanceof Error) || !('status' in error) || !('expose' in error)) return undefined;
  return typeof error.status === 'number' ? error.status : undefined;
}

/** The client library says these itself; a failed command with an answer (e.g. WRONGTYPE) is not among them. */
function isRedisDown(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'MaxRetriesPerRequestError') return true;
  return /^(Stream isn't writeable|Connection is closed|Command timed out|LOADING |READONLY )/.test(error.message);
}

const paths = Object.values(operations).map((spec) => ({
  method: spec.method,
  pattern: new RegExp(`^${spec.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}/?$`),
}));

/** Methods that the catalogue has for this path. */
export function methodsOf(path: string): string[] {
  return paths.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
}

function unknownPath(request: Request): Problem {
  const methods = methodsOf(request.path);
  if (methods.length === 0) return makeProblem('not_found', { detail: 'There is no such path' });
  return makeProblem('method_not_allowed', { detail: `Allowed here: ${methods.join(', ')}` });
}

function setHeaders(response: Response, request: Request, problem: Problem, error: unknown): void {
  if (problem.code === 'method_not_allowed') response.setHeader('Allow', methodsOf(request.path).join(', '));
  if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="muster"');
  if (error instanceof RateLimitedError) response.setHeader('Retry-After', String(error.state.resetS));
  else if (problem.code === 'idempotency_in_flight') response.setHeader('Retry-After', '1');
  else if (problems[problem.code].status === 503) response.setHeader('Retry-After', String(RETRY_AFTER_S));
}
