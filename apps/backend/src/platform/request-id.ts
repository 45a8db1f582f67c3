import type { IncomingMessage, ServerResponse } from 'node:http';
import { newId } from './ids.js';

const SAFE = /^[A-Za-z0-9._-]{8,100}$/;
const ids = new WeakMap<IncomingMessage, string>();

/** Takes the caller's X-Request-Id when it is harmless, makes one otherwise, and says it in the answer. */
export function assignRequestId(request: IncomingMessage, response: ServerResponse): string {
  const given = request.headers['x-request-id'];
  const id = typeof given === 'string' && SAFE.test(given) ? given : newId();
  ids.set(request, id);
  response.setHeader('X-Request-Id', id);
  return id;
}

export const requestIdOf = (request: IncomingMessage): string => ids.get(request) ?? 'none';
