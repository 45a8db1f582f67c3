import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from 'express';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { fieldErrors, makeProblem, ProblemError, type OperationSpec } from '@muster/shared-types';
import type { z } from 'zod';
import { Idempotency, type Attempt } from './idempotency.js';
import { operationOf } from './operation.js';
import { stateOf } from './request-state.js';
import { unstorable, type FieldError } from './unstorable.js';

type Part = 'params' | 'query' | 'body';

/** Around every operation: parses what came in, replays what was answered before, lets nothing out that its schema does not name. */
@Injectable()
export class OperationInterceptor implements NestInterceptor {
  constructor(private readonly idempotency: Idempotency) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const spec = operationOf(context.getHandler());
    return spec ? from(this.#run(spec, context, next)) : next.handle();
  }

  async #run(spec: OperationSpec, context: ExecutionContext, next: CallHandler): Promise<unknown> {
    const request = context.switchToHttp().getRequest<Request>();
    const response = context.switchToHttp().getResponse<Response>();
    const state = stateOf(request);
    state.input = parseInput(spec, request);
    const attempt = await this.idempotency.begin(spec, request);
    if (attempt?.replay) {
      response.setHeader('Idempotent-Replayed', 'true');
      return attempt.replay.body;
    }
    state.saveAnswer = attempt?.save ?? state.saveAnswer;
    return await finish(attempt, async () => spec.response.parse(await lastValueFrom(next.handle(), { defaultValue: undefined })));
  }
}

async function finish(attempt: Attempt | undefined, work: () => Promise<unknown>): Promise<unknown> {
  try {
    const body = await work();
    await attempt?.completed(body);
    return body;
  } catch (error) {
    await attempt?.failed();
    throw error;
  }
}

/** Parses params, query and body together, so that one answer names every bad field. Throws `invalid_request`. */
export function parseInput(spec: OperationSpec, request: Request): { params: unknown; query: unknown; body: unknown } {
  const errors: FieldError[] = [];
  const part = (name: Part, schema: z.ZodType | undefined, value: unknown): unknown => {
    if (!schema) return undefined;
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    errors.push(...fieldErrors(parsed.error, name));
    return undefined;
  };
  const input = {
    params: part('params', spec.params, request.params),
    query: part('query', spec.query, { ...request.query }),
    body: part('body', spec.body, spec.body ? bodyOf(request) : undefined),
  };
  errors.push(...unstorable({ params: request.params, query: request.query, body: spec.body ? request.body : undefined }));
  if (errors.length > 0) throw new ProblemError(makeProblem('invalid_request', { detail: 'See errors', errors }));
  return input;
}

/** The parsed JSON. No body at all counts as an empty object, so that a body of optional fields may be left out. */
function bodyOf(request: Request): unknown {
  const body: unknown = request.body;
  if (body !== undefined) return body;
  const sent = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  if (!sent) return {};
  throw new ProblemError(makeProblem('unsupported_media_type', { hint: 'Send Content-Type: application/json' }));
}
