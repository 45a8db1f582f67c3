import { request as httpRequest } from 'node:http';
import type { Request } from 'express';
import { makeProblem, operations, Problem } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type Answer, type TestAccount, type TestApp } from '../../test/app.js';
import { OUTSIDE_THE_CATALOGUE } from '../documents.js';
import { problemFor } from './problem.filter.js';
import { routeFaults } from './routes.js';

let market: TestApp;
let alice: TestAccount;
beforeAll(async () => {
  market = await createTestApp({ env: { METRICS_TOKEN: 'metrics-token-of-tests' } });
  alice = await market.signUp();
});
afterAll(() => market.close());

/** Every failure is a problem document, with the id of its request. */
function expectProblem(answer: Answer, code: string): void {
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = Problem.parse(answer.body);
  expect({ code: problem.code, status: answer.status }).toEqual({ code, status: problem.status });
  expect(problem.request_id).toBe(answer.headers.get('x-request-id'));
}

/** A request that no client library would send. */
function raw(method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${market.url}/`, { method, path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        const answered = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]);
        resolve({ status: response.statusCode ?? 0, headers: new Headers(answered), body: text.startsWith('{') ? JSON.parse(text) : text });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('the catalogue', () => {
  it('has exactly one handler per operation, and no route stands outside it', () => {
    expect(routeFaults(market.app)).toEqual([]);
  });

  it('is left only by these paths', async () => {
    expect(OUTSIDE_THE_CATALOGUE.map((entry) => entry.path)).toEqual(['/metrics', '/api/openapi.json', '/api/docs', '/.well-known/jwks.json']);
    for (const { path } of OUTSIDE_THE_CATALOGUE) {
      expect((await market.fetch('GET', path, { token: 'metrics-token-of-tests' })).status, path).toBe(200);
      expectProblem(await market.fetch('GET', `${path}/../x${path}`), 'not_found');
    }
  });
});

describe('what is not understood is a problem', () => {
  const json = { 'content-type': 'application/json' };
  const signIn = operations.signIn.path;

  it.each([
    ['an unknown path', 'GET', '/api/v1/nothing', {}, '', 'not_found'],
    ['the root', 'GET', '/', {}, '', 'not_found'],
    ['another method', 'PUT', signIn, json, '{}', 'method_not_allowed'],
    ['another method on a path with params', 'POST', '/api/v1/rentals/018f0000-0000-7000-8000-000000000000', json, '{}', 'method_not_allowed'],
    ['a path that cannot be decoded', 'GET', '/api/v1/rentals/%E0%A4%A', {}, '', 'invalid_request'],
    ['broken JSON', 'POST', signIn, json, '{"email":', 'invalid_request'],
    ['JSON that is no object', 'POST', signIn, json, '"text"', 'invalid_request'],
    ['a list', 'POST', signIn, json, '[]', 'invalid_request'],
    ['a form', 'POST', signIn, { 'content-type': 'application/x-www-form-urlencoded' }, 'email=a', 'unsupported_media_type'],
    ['no content type', 'POST', signIn, {}, '{"email":"a@example.com"}', 'unsupported_media_type'],
    ['a charset nobody knows', 'POST', signIn, { 'content-type': 'application/json; charset=klingon' }, '{}', 'unsupported_media_type'],
    ['a packed body', 'POST', signIn, { ...json, 'content-encoding': 'gzip' }, 'x', 'unsupported_media_type'],
    ['a body of more than a megabyte', 'POST', signIn, json, JSON.stringify({ email: 'x'.repeat(1_100_000) }), 'payload_too_large'],
    ['a missing field', 'POST', signIn, json, '{"email":"a@example.com"}', 'invalid_request'],
  ])('%s', async (_name, method, path, headers, body, code) => {
    expectProblem(await raw(method, path, headers, body), code);
  });

  it('and says which methods there are', async () => {
    expect((await raw('PUT', signIn)).headers.get('allow')).toBe('POST');
  });

  it('and names every bad field at once', async () => {
    const { body } = await market.call('listRentals', { token: alice.token, query: { limit: 'many', state: 'no' } });
    expect(body.errors.map((error: { path: string }) => error.path).toSorted()).toEqual(['query.limit', 'query.state']);
  });

  it('and says nothing of what went wrong inside', () => {
    const problem = problemFor(new Error('SELECT "passwordHash" FROM "User" failed'), { path: '/' } as Request);
    expect(problem).toEqual(makeProblem('internal'));
  });
});

describe('headers', () => {
  it('carry the caller’s request id when it is harmless', async () => {
    expect((await raw('GET', '/health', { 'x-request-id': 'trace-12345678' })).headers.get('x-request-id')).toBe('trace-12345678');
    expect((await raw('GET', '/health', { 'x-request-id': 'a b<script>' })).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('say how much of the limit is left, and nothing of what we are built with', async () => {
    const { headers } = await market.call('getAccount', { token: alice.token });
    expect(headers.get('ratelimit-policy')).toMatch(/^"default";q=\d+;w=60$/);
    expect(headers.get('ratelimit')).toMatch(/^"default";r=\d+;t=\d+$/);
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
  });
});

describe('operations', () => {
  it('count requests by route, never by path, and need the token', async () => {
    await market.call('deleteSshKey', { token: alice.token, params: { ssh_key_id: '018f0000-0000-7000-8000-0000000abcde' } });
    await market.fetch('GET', '/some/random/path-4711');
    expectProblem({ ...(await market.fetch('GET', '/metrics')) }, 'unauthenticated');
    const { body } = await market.fetch('GET', '/metrics', { token: 'metrics-token-of-tests' });
    expect(body).toMatch(/http_requests_total\{method="DELETE",route="\/api\/v1\/ssh-keys\/:ssh_key_id",status="404"\} 1/);
    expect(body).toMatch(/http_request_duration_seconds_bucket/);
    expect(body).toMatch(/route="unmatched",status="404"/);
    expect(body).not.toMatch(/4711|abcde/);
    expect(body).toMatch(/^# TYPE nodes_total gauge$/m);
  });

  it('serve the document and a page that shows it, all from here', async () => {
    expect((await market.fetch('GET', '/api/openapi.json')).body.openapi).toBe('3.1.0');
    const page = await market.fetch('GET', '/api/docs');
    expect(page.body).toContain('swagger-ui');
    const linked = [...String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = '']) => link);
    expect(linked.length).toBeGreaterThan(2);
    for (const link of linked) expect((await market.fetch('GET', link)).status, link).toBe(200);
    expect(page.body).not.toMatch(/https?:\/\//);
  });
});
