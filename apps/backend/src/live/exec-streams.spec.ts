import { LiveClient, type ExecExit, type ExecSession } from '@muster/client';
import { base64Bytes, ExecData, EXEC_LIMITS, LIVE_NAMESPACE, liveMessages, type ExecCommand, type ExecOpen, type LiveMessageName, type Problem } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import fc from 'fast-check';
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/app.js';
import { makeEstate, type Estate } from '../../test/operation-samples.js';
import type { SimulatedAgent } from '../../test/simulated-agent.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import { withTx } from '../platform/tx.js';

const WITHIN = { deadlineMs: 20_000 };
let market: TestApp;
let alice: Estate;
let bob: Estate;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  market = await createTestApp();
  [alice, bob] = [await makeEstate(market), await makeEstate(market)];
  for (const estate of [alice, bob]) {
    await market.db.client.rental.update({ where: { id: estate.rentalId }, data: { status: 'running', phase: null, startTime: new Date(), billedThrough: new Date() } });
  }
}, 60_000);
afterEach(() => ends.splice(0).forEach((end) => end()));
afterAll(async () => {
  for (const estate of [alice, bob]) estate?.agent.close();
  await market.close();
});

const ticketOf = async (token: string, app = market) => (await app.call('createLiveTicket', { token })).body;

async function clientOf(token: string, app = market): Promise<LiveClient> {
  const client = new LiveClient({ url: app.url, ticket: () => ticketOf(token, app) });
  ends.push(() => client.close());
  await waitFor(() => client.state === 'live' || undefined, { what: 'the live socket', ...WITHIN });
  return client;
}

async function socketOf(token: string): Promise<Socket> {
  const socket = io(`${market.url}${LIVE_NAMESPACE}`, { transports: ['websocket'], auth: { ticket: (await ticketOf(token)).ticket }, reconnection: false, forceNew: true });
  ends.push(() => socket.disconnect());
  await waitFor(() => socket.connected || undefined, { what: 'the socket', ...WITHIN });
  return socket;
}

interface Played {
  opened: ExecOpen[];
  heard: ExecData[];
  resized: unknown[];
}
const say = (agent: SimulatedAgent, frame: unknown): void => void agent.socket.emit('exec_data', frame);
const bytesOf = (text: string | Buffer): string => Buffer.from(text).toString('base64');

/** The machine runs `cat`: what comes in goes out, the end of input is the end with code 0, and `exit N` ends with N. */
function playsCat(agent: SimulatedAgent): Played {
  const played: Played = { opened: [], heard: [], resized: [] };
  agent.instead.exec_open = (open: ExecOpen) => (played.opened.push(open), { ok: true });
  agent.instead.exec_resize = (size: unknown) => (played.resized.push(size), { ok: true });
  agent.instead.exec_data = (frame: ExecData) => {
    played.heard.push(frame);
    const { stream_id } = frame;
    const code = frame.kind === 'data' ? /^exit (\d+)/.exec(Buffer.from(frame.bytes, 'base64').toString())?.[1] : undefined;
    // It reads on as its output is taken up, as a program with a full pipe does.
    if (frame.kind === 'credit') say(agent, { kind: 'credit', stream_id, bytes: frame.bytes });
    if (frame.kind === 'data' && code === undefined) say(agent, { kind: 'data', stream_id, stream: 'stdout', bytes: frame.bytes });
    if (frame.kind === 'eof' || code !== undefined) say(agent, { kind: 'exit', stream_id, exit_code: Number(code ?? 0) });
    return { ok: true };
  };
  return played;
}

interface Run {
  session: ExecSession;
  output: () => string;
  exit: () => Promise<ExecExit>;
}

async function run(client: LiveClient, command: Partial<ExecCommand> = {}, taken: () => Promise<void> = () => Promise.resolve()): Promise<Run> {
  const parts: Uint8Array[] = [];
  let exit: ExecExit | undefined;
  const session = await client.exec({ rental_id: alice.rentalId, command: ['cat'], tty: false, ...command }, {
    onOutput: async (bytes) => {
      parts.push(bytes);
      await taken();
    },
    onExit: (how) => (exit = how),
  });
  return { session, output: () => Buffer.concat(parts).toString('utf8'), exit: () => waitFor(() => exit, { what: 'the end of the command', ...WITHIN }) };
}

const audits = (action: string) => market.db.client.outboxEvent.findMany({ where: { name: 'AuditEvent', aggregateId: alice.rentalId, payload: { path: ['action'], equals: action } }, orderBy: { id: 'asc' } });

describe('a command', () => {
  it('gets its input, gives its output and its exit code, and stands in the audit trail without a word of it', async () => {
    const played = playsCat(alice.agent);
    const { session, output, exit } = await run(await clientOf(alice.account.token), { command: ['cat', '--secret=hunter2'] });
    await session.write(Buffer.from('grüße\n'));
    await session.write(Buffer.from('exit 7'));
    expect(await exit()).toMatchObject({ exitCode: 7 });
    expect(output()).toBe('grüße\n');
    expect(played.opened).toMatchObject([{ rental_id: alice.rentalId, command: ['cat', '--secret=hunter2'], tty: false }]);
    const closed = await waitFor(async () => (await audits('exec.closed')).at(-1), { what: 'the record', ...WITHIN });
    expect(await audits('exec.opened')).toMatchObject([{ actorId: alice.account.id, payload: { by: 'session' } }]);
    expect(closed).toMatchObject({ actorId: alice.account.id, payload: { outcome: 'exited', exit_code: 7 } });
    expect(JSON.stringify([closed, await audits('exec.opened')], (_k, v) => (typeof v === 'bigint' ? 0 : v))).not.toContain('hunter2');
  });

  it('hears of the terminal’s size and of the end of input', async () => {
    const played = playsCat(alice.agent);
    const { session, exit } = await run(await clientOf(alice.account.token), { tty: true, cols: 100, rows: 30 });
    session.resize(120, 40);
    session.end();
    expect(await exit()).toMatchObject({ exitCode: 0 });
    expect(played.opened).toMatchObject([{ tty: true, cols: 100, rows: 30 }]);
    expect(played.resized).toMatchObject([{ cols: 120, rows: 40 }]);
  });

  it('that is over before its opening is answered loses nothing', async () => {
    playsCat(alice.agent);
    alice.agent.instead.exec_open = ({ stream_id }: ExecOpen) => {
      say(alice.agent, { kind: 'data', stream_id, stream: 'stdout', bytes: bytesOf('early') });
      say(alice.agent, { kind: 'exit', stream_id, exit_code: 3 });
      return { ok: true };
    };
    const { output, exit } = await run(await clientOf(alice.account.token));
    expect(await exit()).toMatchObject({ exitCode: 3 });
    expect(output()).toBe('early');
  });

  it('carries a file both ways unchanged, through windows smaller than it', async () => {
    playsCat(alice.agent);
    const bytes = Buffer.from(Array.from({ length: 3 * EXEC_LIMITS.windowBytes + 17 }, (_, i) => 32 + ((i * 31) % 90)));
    const { session, output, exit } = await run(await clientOf(alice.account.token));
    void session.write(bytes);
    await waitFor(() => output().length === bytes.length || undefined, { what: 'all of it', ...WITHIN });
    session.end();
    await exit();
    expect(output()).toBe(bytes.toString());
  });

  it('runs through another replica than its machine’s', async () => {
    const beside = await createTestApp({ beside: market });
    try {
      playsCat(alice.agent);
      const { session, output, exit } = await run(await clientOf(alice.account.token, beside));
      for (const line of ['1\n', '2\n', '3\n']) await session.write(Buffer.from(line));
      session.end();
      expect(await exit()).toMatchObject({ exitCode: 0 });
      expect(output()).toBe('1\n2\n3\n');
    } finally {
      await beside.close();
    }
  });
});

describe('a command ends', () => {
  const closedThere = (played: Played) => waitFor(() => played.heard.some((frame) => frame.kind === 'close') || undefined, { what: 'the machine to be told', ...WITHIN });

  it('with the connection of whoever runs it', async () => {
    const played = playsCat(alice.agent);
    const client = await clientOf(alice.account.token);
    const { exit } = await run(client);
    client.close();
    expect(await exit()).toMatchObject({ exitCode: null });
    await closedThere(played);
  });

  it('with the session', async () => {
    const played = playsCat(alice.agent);
    const { id, key } = await market.makeKey(alice.account);
    const { exit } = await run(await clientOf(key));
    await market.call('revokeApiKey', { token: alice.account.token, params: { api_key_id: id } });
    expect(await exit()).toMatchObject({ exitCode: null });
    await closedThere(played);
  });

  it('when its reader takes nothing and its machine sends on regardless', async () => {
    const played = playsCat(alice.agent);
    const { session, exit } = await run(await clientOf(alice.account.token), {}, () => new Promise(() => undefined));
    for (let sent = 0; sent < 20; sent += 1) say(alice.agent, { kind: 'data', stream_id: session.streamId, stream: 'stdout', bytes: bytesOf(Buffer.alloc(EXEC_LIMITS.chunkBytes)) });
    await closedThere(played);
    void exit;
  });

  it('when more is sent than the window allows', async () => {
    const played = playsCat(alice.agent);
    alice.agent.instead.exec_data = (frame: ExecData) => (played.heard.push(frame), { ok: true });
    const socket = await socketOf(alice.account.token);
    const { stream_id } = await socket.emitWithAck('exec_open', { rental_id: alice.rentalId, command: ['cat'] });
    const answers: { ok: boolean; problem?: Problem }[] = await Promise.all(
      Array.from({ length: 12 }, () => socket.emitWithAck('exec_data', { kind: 'data', stream_id, stream: 'stdin', bytes: bytesOf(Buffer.alloc(EXEC_LIMITS.chunkBytes)) })),
    );
    expect(answers.map((answer) => answer.problem?.code)).toContain('rate_limited');
    expect(answers.at(-1)?.problem?.code).toBe('not_found');
    await closedThere(played);
  });
});

describe('who may', () => {
  const messages: Record<LiveMessageName, (of: Estate, stream: string) => unknown> = {
    subscribe: ({ rentalId }) => ({ room: `rental:${rentalId}` }),
    unsubscribe: ({ rentalId }) => ({ room: `rental:${rentalId}` }),
    exec_open: ({ rentalId }) => ({ rental_id: rentalId, command: ['id'] }),
    exec_data: (_of, stream_id) => ({ kind: 'data', stream_id, stream: 'stdin', bytes: bytesOf('rm -rf /\n') }),
    exec_resize: (_of, stream_id) => ({ stream_id, cols: 1, rows: 1 }),
  };
  const names = Object.keys(liveMessages) as LiveMessageName[];
  /** Leaving a room one is not in is no more than that. */
  const refusable = names.filter((name) => name !== 'unsubscribe');

  it.each(refusable)('%s about another account’s thing is not found, as if it were nowhere, and the machine hears nothing', async (name) => {
    const played = playsCat(alice.agent);
    const { session } = await run(await clientOf(alice.account.token));
    const before = { ...played, heard: played.heard.length, opened: played.opened.length };
    const socket = await socketOf(bob.account.token);
    const nowhere = JSON.stringify(messages[name](alice, session.streamId)).replaceAll(alice.rentalId, '018f0000-0000-7000-8000-000000000000').replaceAll(session.streamId.slice(37), '018f0000-0000-7000-8000-000000000000');
    const [foreign, missing] = [await socket.emitWithAck(name, messages[name](alice, session.streamId)), await socket.emitWithAck(name, JSON.parse(nowhere))];
    expect(foreign).toMatchObject({ ok: false, problem: { code: 'not_found' } });
    expect(foreign).toEqual(missing);
    expect([played.heard.length, played.opened.length, played.resized.length]).toEqual([before.heard, before.opened, 0]);
  });

  it.each(names)('%s needs its scope, whoever’s thing it is', async (name) => {
    const { scope } = liveMessages[name];
    const { key } = await market.makeKey(alice.account, { scopes: ['read', 'rent', 'host', 'account'].filter((one) => one !== scope) });
    // A ticket needs `read` already.
    if (scope === 'read') return expect((await market.call('createLiveTicket', { token: key })).status).toBe(403);
    const socket = await socketOf(key);
    expect(await socket.emitWithAck(name, messages[name](alice, `${crypto.randomUUID()}.${crypto.randomUUID()}`))).toMatchObject({ problem: { code: 'scope_missing', facts: { scope } } });
  });

  it('not even another connection of the same account', async () => {
    playsCat(alice.agent);
    const { session } = await run(await clientOf(alice.account.token));
    const other = await socketOf(alice.account.token);
    expect(await other.emitWithAck('exec_data', messages.exec_data(alice, session.streamId))).toMatchObject({ problem: { code: 'not_found' } });
  });

  it('a machine reaches only the streams on it', async () => {
    playsCat(alice.agent);
    const { session, output } = await run(await clientOf(alice.account.token));
    say(bob.agent, { kind: 'data', stream_id: session.streamId, stream: 'stdout', bytes: bytesOf('from mallory') });
    say(bob.agent, { kind: 'exit', stream_id: session.streamId, exit_code: 0 });
    await bob.agent.beat();
    await session.write(Buffer.from('mine'));
    await waitFor(() => output() !== '' || undefined, { what: 'an echo', ...WITHIN });
    expect([output(), session.ended]).toEqual(['mine', false]);
  });

  it('nobody, while it does not run; and no more than eight at a time', async () => {
    playsCat(alice.agent);
    const client = await clientOf(alice.account.token);
    for (let n = 0; n < EXEC_LIMITS.streamsPerRental; n += 1) await run(client);
    await expect(run(client)).rejects.toMatchObject({ problem: { code: 'rate_limited' } });
    await market.db.client.rental.update({ where: { id: alice.rentalId }, data: { status: 'starting' } });
    await expect(run(await clientOf(alice.account.token))).rejects.toMatchObject({ problem: { code: 'action_not_allowed' } });
    await market.db.client.rental.update({ where: { id: alice.rentalId }, data: { status: 'running' } });
  });

  it('is told when the agent is too old, refuses, or is not there', async () => {
    const client = await clientOf(alice.account.token);
    const refusal = (code: string) => ({ ok: false, problem: { type: 'x', code, title: 'x', status: 400, retryable: false } });
    alice.agent.instead.exec_open = () => refusal('unknown_event');
    await expect(run(client)).rejects.toMatchObject({ problem: { code: 'node_not_ready' } });
    alice.agent.instead.exec_open = () => refusal('rate_limited');
    await expect(run(client)).rejects.toMatchObject({ problem: { code: 'rate_limited' } });
  });
});

describe('whatever comes', () => {
  it('any frame is answered, changes nobody else’s stream, and is one of the contract or a problem', async () => {
    playsCat(alice.agent);
    const { session, exit } = await run(await clientOf(alice.account.token));
    const socket = await socketOf(bob.account.token);
    const part = fc.oneof(fc.constantFrom(session.streamId, 'data', 'close', 'exit', 'stdin', alice.rentalId), fc.string(), fc.integer(), fc.constant(null), fc.base64String());
    const message = fc.oneof(fc.anything(), fc.record({ kind: part, stream_id: part, stream: part, bytes: part, exit_code: part }, { requiredKeys: [] }), fc.record({ rental_id: part, command: fc.array(part), cols: part }, { requiredKeys: [] }), fc.record({ room: part, since: part }, { requiredKeys: [] }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...(Object.keys(liveMessages) as LiveMessageName[])), message, async (name, payload) => {
        const answer = await socket.timeout(10_000).emitWithAck(name, JSON.parse(JSON.stringify(payload) ?? 'null'));
        expect(liveMessages[name].ack.safeParse(answer).success, JSON.stringify(answer)).toBe(true);
        expect(answer.problem?.code).not.toBe('internal');
      }),
      { numRuns: 150 },
    );
    expect(session.ended).toBe(false);
    session.end();
    expect(await exit()).toMatchObject({ exitCode: 0 });
  });

  it('frames are as long in bytes as their text says', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => base64Bytes(Buffer.from(bytes).toString('base64')) === bytes.length));
  });

  it('from an agent too: nothing of it ends its connection', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), async (payload) => {
        const answer = await alice.agent.send('exec_data', JSON.parse(JSON.stringify(payload) ?? 'null'));
        expect(answer).toHaveProperty('ok');
      }),
      { numRuns: 60 },
    );
    expect(alice.agent.connected).toBe(true);
  });

  it('heartbeats keep their place beside a flood of output', async () => {
    for (let n = 0; n < 3_000; n += 1) say(alice.agent, { kind: 'data', stream_id: `${crypto.randomUUID()}.${crypto.randomUUID()}`, stream: 'stdout', bytes: bytesOf('x') });
    expect(await alice.agent.beat()).toMatchObject({ ok: true });
  });
});

it.each([['RentalEnded', 'The rental has ended'], ['RentalStopped', 'The rental was stopped']] as const)('%s is the end of its commands', async (name, message) => {
  const played = playsCat(alice.agent);
  const { exit } = await run(await clientOf(alice.account.token));
  await withTx(market.db, (tx) => emitEvent(tx, { name, aggregateId: alice.rentalId, payload: {} }));
  market.app.get(Outbox).wake();
  expect(await exit()).toEqual({ exitCode: null, message });
  await waitFor(() => played.heard.some((frame) => frame.kind === 'close') || undefined, { what: 'the machine to be told', ...WITHIN });
});
