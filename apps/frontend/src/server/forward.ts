import type { NextRequest } from 'next/server';
import { makeProblem } from '@muster/shared-types';
import { config } from '@/config';
import { SECURITY_HEADERS } from './request.rules';
import { ACCESS_COOKIE } from './session-cookies';

/** What of a request and of its answer passes; cookies and credentials never do. */
const SENT = ['accept', 'content-type', 'idempotency-key', 'range', 'if-none-match', 'x-request-id'];
const RETURNED = ['content-type', 'content-length', 'content-disposition', 'content-range', 'accept-ranges', 'retry-after', 'etag', 'x-request-id', 'ratelimit', 'ratelimit-policy'];

/** Tokens are for cookies alone: scripts of a page never get to see one. */
const CLOSED = /^\/api\/v1\/auth\//;

/** One call of a page, passed on to the API as the person who is signed in. */
export async function forward(request: NextRequest): Promise<Response> {
  const { search } = request.nextUrl;
  const pathname = request.nextUrl.pathname.replace(/^\/api\/system\//, '/');
  if (CLOSED.test(pathname)) return problem('not_found');
  const headers = new Headers(SENT.flatMap((name) => (request.headers.has(name) ? [[name, request.headers.get(name) ?? ''] as [string, string]] : [])));
  headers.set('user-agent', 'muster-web');
  const token = request.cookies.get(ACCESS_COOKIE)?.value;
  if (token) headers.set('authorization', `Bearer ${token}`);
  try {
    const body = request.body === null ? {} : { body: request.body, duplex: 'half' as const };
    const answer = await fetch(config().apiUrl + pathname + search, { method: request.method, headers, redirect: 'manual', signal: request.signal, cache: 'no-store', ...body });
    return new Response(answer.body, { status: answer.status, headers: returned(answer.headers) });
  } catch (error) {
    if (request.signal.aborted) return new Response(null, { status: 499 });
    return problem('unavailable', error instanceof Error ? error.message : undefined);
  }
}

function returned(headers: Headers): Headers {
  const kept = new Headers({ ...SECURITY_HEADERS, 'cache-control': 'no-store' });
  for (const name of RETURNED) {
    const value = headers.get(name);
    // What was compressed arrives unpacked, and is longer then.
    if (value !== null && !(name === 'content-length' && headers.has('content-encoding'))) kept.set(name, value);
  }
  return kept;
}

function problem(code: 'not_found' | 'unavailable', cause?: string): Response {
  const detail = code === 'unavailable' ? { detail: 'The market does not answer this page. Nothing was changed by this request as far as we know', hint: 'Try again in some seconds', ...(cause && { facts: { cause } }) } : {};
  const told = makeProblem(code, detail);
  return Response.json(told, { status: told.status, headers: { ...SECURITY_HEADERS, 'content-type': 'application/problem+json', 'cache-control': 'no-store' } });
}
