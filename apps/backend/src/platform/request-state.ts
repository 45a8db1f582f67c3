import type { ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { Tx } from './db.js';
import type { Principal } from './principal.js';

/** Stores the answer of an idempotent operation in the transaction that earned it. Throws when the key was taken over. */
export type SaveAnswer = (tx: Tx, body: unknown) => Promise<void>;

/** What guard and interceptor learn about one request. */
export interface RequestState {
  principal: Principal;
  input: { params: unknown; query: unknown; body: unknown };
  saveAnswer: SaveAnswer;
}

const states = new WeakMap<Request, RequestState>();

const nothing: SaveAnswer = () => Promise.resolve();

export function stateOf(request: Request): RequestState {
  const known = states.get(request);
  if (known) return known;
  const fresh: RequestState = { principal: { kind: 'public' }, input: { params: undefined, query: undefined, body: undefined }, saveAnswer: nothing };
  states.set(request, fresh);
  return fresh;
}

export const requestState = (context: ExecutionContext): RequestState => stateOf(context.switchToHttp().getRequest<Request>());
