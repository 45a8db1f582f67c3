import { connect } from 'node:net';
import fc from 'fast-check';
import { operations, Problem, type OperationName, type OperationSpec } from '@muster/shared-types';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { problemsOf } from '../src/openapi.js';
import { createTestApp, type Answer, type CallOptions, type TestAccount, type TestApp } from './app.js';
import { makeEstate, sampleOf, type Estate } from './operation-samples.js';

/** Whatever is sent, every operation answers what its entry in the catalogue says, or one of its problems: never a 500. */
let market: TestApp;
let alice: Estate;
let operator: TestAccount;
let stranger: TestAccount;
beforeAll(async () => {
  market = await createTestApp();
  alice = await makeEstate(market);
  operator = await market.makeOperator();
  stranger = await market.signUp();
});
afterAll(async () => {
  alice.agent.close();
  await market.close();
});

const RUNS = Number(process.env['MUSTER_FUZZ_RUNS'] ?? 25);

/** Values that have broken programs before. */
const nasty = fc.constantFrom<unknown>(
  null, true, 0, -1, 1.5, 1e308, 2 ** 53, 2_147_483_648, -2_147_483_649, '', ' ', '\u0000', '\ud800', '0', '1e9', '-0.000001', '999999999.999999', "'; DROP TABLE \"User\"; --",
  '../../etc/passwd', '{{7*7}}', '<script>', '%00', '𝒳'.repeat(200), 'x'.repeat(20_000), [], {}, [[]], { $ne: null }, { __proto__: null }, { constructor: { prototype: 1 } },
  '018f0000-0000-7000-8000-000000000000', '2026-11-21T00:00:00Z', '9999-12-31T23:59:59Z', '0001-01-01T00:00:00Z', 'NaN', 'Infinity',
);
const anything: fc.Arbitrary<unknown> = fc.oneof({ weight: 3, arbitrary: nasty }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 4 }) }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) });

/** A good body with some of its fields replaced, left out or added: it gets past the first check. */
function changed(body: unknown): fc.Arbitrary<unknown> {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) return anything;
  const entries = Object.entries(body);
  const change = fc.tuple(fc.nat(Math.max(0, entries.length - 1)), fc.oneof(anything, fc.constant(undefined)), fc.option(fc.tuple(fc.string(), anything), { nil: undefined }));
  return change.chain(([at, value, extra]) => {
    const [name = 'field', old] = entries[at] ?? [];
    const inner = old !== null && typeof old === 'object' ? fc.oneof(fc.constant(value), changed(old)) : fc.constant(value);
    return inner.map((replaced) => ({ ...body, [name]: replaced, ...(extra ? { [extra[0]]: extra[1] } : {}) }));
  });
}

const text = fc.oneof(nasty.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 500)), fc.string({ unit: 'binary', maxLength: 40 })).map((value) => value.replaceAll(/\p{Surrogate}/gu, '?'));
const headerText = fc.string({ maxLength: 60 }).map((value) => value.replaceAll(/[^\x20-\x7e]/g, '?').trim());

function requests(spec: OperationSpec, sample: { params: Record<string, string>; body?: unknown }): fc.Arbitrary<CallOptions> {
  const param = (value: string) => fc.oneof({ weight: 3, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: text.map((one) => one.replaceAll(/^\.*$/g, 'x') || 'x') });
  return fc.record({
    params: fc.record(Object.fromEntries(Object.entries(sample.params).map(([name, value]) => [name, param(value)]))),
    query: fc.dictionary(fc.oneof(fc.constantFrom(...Object.keys(spec.query?.shape ?? { limit: 0 })), text), text, { maxKeys: 4 }),
    body: fc.oneof({ weight: 4, arbitrary: changed(sample.body) }, { weight: 1, arbitrary: fc.constant(sample.body) }, { weight: 1, arbitrary: anything }),
    headers: fc.record({ 'idempotency-key': headerText, 'x-request-id': headerText, accept: headerText }, { requiredKeys: [] }),
  });
}

function expectKnown(name: OperationName, spec: OperationSpec, answer: Answer): void {
  if (answer.status === spec.status) return void spec.response.parse(answer.body);
  const problem = Problem.parse(answer.body);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(problem.status).toBe(answer.status);
  // A body on a GET and a path that names no operation are the sender's own faults; `internal` and `unavailable` are ours.
  const known = [...problemsOf(spec), 'not_found', 'method_not_allowed', 'invalid_request', 'payload_too_large', 'unsupported_media_type'];
  expect(known, `${name}: ${JSON.stringify(answer.body)}`).toContain(problem.code);
  expect(['internal', 'unavailable'], `${name}: ${JSON.stringify(answer.body)}`).not.toContain(problem.code);
}

const tokenFor = (spec: OperationSpec): string | undefined => {
  if (spec.auth.kind === 'operator') return operator.token;
  return spec.auth.kind === 'host' ? alice.hostKey : spec.auth.kind === 'user' ? alice.account.token : undefined;
};

/** What an operator does to an account is done to another than all operations are tried with. */
function sampleFor(name: OperationName): ReturnType<typeof sampleOf> {
  const sample = sampleOf(name, alice);
  return sample.params['user_id'] === undefined ? sample : { ...sample, params: { ...sample.params, user_id: stranger.id } };
}

/** Signing out would end the session that all other operations are tried with. */
const names = (Object.keys(operations) as OperationName[]).filter((name) => name !== 'signOut');

it.each(names)('%s', async (name) => {
  const spec: OperationSpec = operations[name];
  await fc.assert(
    fc.asyncProperty(requests(spec, sampleFor(name)), async ({ body, ...request }) => {
      const withBody = spec.method !== 'GET' && body !== undefined;
      expectKnown(name, spec, await market.call(name, { token: tokenFor(spec), ...request, ...(withBody ? { body } : {}) }));
    }),
    { numRuns: RUNS },
  );
});

it('addresses that are longer than any header may be, and what is no HTTP at all', async () => {
  const long = await market.call('listRentals', { token: alice.account.token, query: { cursor: 'x'.repeat(20_000) } });
  expect(long.body).toMatchObject({ code: 'payload_too_large', status: 413 });
  const { hostname, port } = new URL(market.url);
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write('\u0016\u0003\u0001 hello\r\n\r\n'));
    let heard = '';
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    socket.on('close', () => resolve(heard));
    socket.on('error', reject);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 422 /);
  expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ code: 'invalid_request' });
});

it('bodies that are deeper than any stack', async () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  const send = (body: string) =>
    fetch(`${market.url}${operations.addSshKey.path}`, { method: 'POST', body, headers: { 'content-type': 'application/json', authorization: `Bearer ${alice.account.token}` } });
  for (const body of [deep, `{"name":${deep}}`, `{"extra":${deep},"name":"x","public_key":"x"}`]) {
    const answer = await send(body);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ code: 'invalid_request' });
  }
});
