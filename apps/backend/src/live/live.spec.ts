import { LiveClient, type LiveState } from '@muster/client';
import { LIVE_NAMESPACE, PROBLEM_EVENT, type LiveRoom, type Problem } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { makeEstate, type Estate } from '../../test/operation-samples.js';
import { SocketServer } from '../agents/socket-server.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { Live } from './live.js';
import { Rooms } from './rooms.js';
import { Watch } from './watch.js';

const WITHIN = { deadlineMs: 20_000 };
let market: TestApp;
let alice: Estate;
let bob: TestAccount;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  market = await createTestApp();
  alice = await makeEstate(market);
  bob = await market.signUp();
});
afterEach(() => ends.splice(0).forEach((end) => end()));
afterAll(async () => {
  alice?.agent.close();
  await market.close();
});

const ticketOf = async (token: string, app = market): Promise<string> => (await app.call('createLiveTicket', { token })).body.ticket;

/** A socket without our client, for what the client would never do. */
async function dial(ticket: unknown, headers: Record<string, string> = {}, app = market): Promise<Socket | Problem> {
  const socket = io(`${app.url}${LIVE_NAMESPACE}`, { transports: ['websocket'], auth: { ticket }, reconnection: false, forceNew: true, extraHeaders: headers });
  ends.push(() => socket.disconnect());
  return await new Promise((resolve) => {
    socket.on('connect', () => resolve(socket));
    socket.on('connect_error', (error: Error & { data?: Problem }) => resolve(error.data ?? ({ code: 'unavailable', detail: error.message } as Problem)));
  });
}

async function socketOf(token: string, app = market): Promise<Socket> {
  const dialled = await dial(await ticketOf(token, app), {}, app);
  if (!('emitWithAck' in dialled)) throw new Error(`refused: ${JSON.stringify(dialled)}`);
  return dialled;
}

interface Tab {
  client: LiveClient;
  seen: { seq: number; event: string; data: unknown }[];
  resyncs: number;
  states: LiveState[];
}

/** What a page is: the client, one room, and a list of what it was told. */
function open(token: string, room: LiveRoom, app = () => market): Tab {
  const client = new LiveClient({
    redialMs: { first: 50, most: 200 },
    ticket: async () => {
      const { status, body } = await app().call('createLiveTicket', { token });
      if (status !== 201) throw new Error('no ticket now');
      return { ...body, url: `${app().url}${LIVE_NAMESPACE}` };
    },
  });
  const tab: Tab = { client, seen: [], resyncs: 0, states: [] };
  client.onState((state) => tab.states.push(state));
  client.subscribe(room, { onFrame: ({ seq, event, data }) => tab.seen.push({ seq, event, data }), onResync: () => (tab.resyncs += 1) });
  ends.push(() => client.close());
  return tab;
}

const joined = (tab: Tab, times = 1) => waitFor(() => tab.resyncs >= times || undefined, { what: 'the room to be joined', ...WITHIN });
const note = (n: number, app = market, userId = alice.account.id) =>
  app.app.get(Live).publish(['user', userId], 'notification', { id: crypto.randomUUID(), at: new Date().toISOString(), kind: 'account_notice', title: String(n), message: '', subject: null });
const notes = (tab: Tab): number[] => tab.seen.filter((frame) => frame.event === 'notification').map((frame) => Number((frame.data as { title: string }).title));
const noted = (tab: Tab, last: number) => waitFor(() => notes(tab).includes(last) || undefined, { what: `note ${last}`, ...WITHIN });
const upTo = (count: number, from = 1): number[] => Array.from({ length: count }, (_, i) => i + from);

describe('who gets in', () => {
  it('a ticket lets one socket in, once', async () => {
    const ticket = await ticketOf(bob.token);
    expect(await dial(ticket)).toHaveProperty('connected', true);
    expect(await dial(ticket)).toMatchObject({ code: 'unauthenticated' });
  });

  it.each([undefined, '', 'mlt_x', 7, `mlt_${'A'.repeat(43)}`, { $ne: null }])('%j is no ticket', async (ticket) => {
    expect(await dial(ticket)).toMatchObject({ code: 'unauthenticated' });
  });

  it('a session token in its place is none either', async () => {
    expect(await dial(bob.token, { authorization: `Bearer ${bob.token}` })).toMatchObject({ code: 'unauthenticated' });
  });

  it('pages of foreign origins are refused, whatever ticket they hold; our own are let in', async () => {
    for (const origin of ['https://evil.example', 'http://localhost:3001', 'http://localhost.evil.example:3000', 'null']) {
      expect(await dial(await ticketOf(bob.token), { origin }), origin).toMatchObject({ code: 'forbidden' });
    }
    expect(await dial(await ticketOf(bob.token), { origin: 'http://localhost:3000' })).toHaveProperty('connected', true);
  });

  it('a host API key gets no ticket', async () => {
    expect((await market.call('createLiveTicket', { token: alice.hostKey })).status).toBe(403);
  });

  it('a ticket keeps the scopes of its key', async () => {
    const { key } = await market.makeKey(alice.account, { scopes: ['read'] });
    const socket = await socketOf(key);
    expect(await socket.emitWithAck('exec_open', { rental_id: alice.rentalId, command: ['true'] })).toMatchObject({ problem: { code: 'scope_missing', facts: { scope: 'rent' } } });
  });
});

describe('an end of the session is an end of the socket', () => {
  const untilGone = (socket: Socket) => waitFor(() => !socket.connected || undefined, { what: 'the socket to end', ...WITHIN });

  it('signing out', async () => {
    const account = await market.signUp();
    const socket = await socketOf(account.token);
    const problems: Problem[] = [];
    socket.on(PROBLEM_EVENT, (problem: Problem) => problems.push(problem));
    await market.call('signOut', { token: account.token });
    await untilGone(socket);
    expect(problems).toMatchObject([{ code: 'session_expired' }]);
    expect((await market.call('createLiveTicket', { token: account.token })).status).toBe(401);
  });

  it('a revoked key, and a ticket that was made with it before', async () => {
    const { id, key } = await market.makeKey(bob);
    const [socket, ticket] = [await socketOf(key), await ticketOf(key)];
    await market.call('revokeApiKey', { token: bob.token, params: { api_key_id: id } });
    await untilGone(socket);
    expect(await dial(ticket)).toMatchObject({ code: 'unauthenticated' });
  });
});

describe('rooms', () => {
  it('are one’s own, and another’s is not told apart from none', async () => {
    const socket = await socketOf(bob.token);
    const ask = (room: string) => socket.emitWithAck('subscribe', { room });
    for (const [kind, id] of [['rental', alice.rentalId], ['node', alice.agent.nodeId], ['job', alice.jobId]] as const) {
      const [foreign, missing] = [await ask(`${kind}:${id}`), await ask(`${kind}:018f0000-0000-7000-8000-000000000000`)];
      expect(foreign).toMatchObject({ ok: false, problem: { code: 'not_found' } });
      expect(foreign).toEqual(missing);
    }
    expect(await ask(`user:${alice.account.id}`)).toMatchObject({ problem: { code: 'invalid_request' } });
    expect(await ask('user:me')).toMatchObject({ ok: true, resync: true });
    expect(await ask('market')).toMatchObject({ ok: true });
  });

  it('tell what others do: a rental’s phases, as they come', async () => {
    const tab = open(alice.account.token, `rental:${alice.rentalId}`);
    await joined(tab);
    await alice.agent.report({ rental_id: alice.rentalId, state: 'pulling', progress: { current_bytes: 5, total_bytes: 10, layers_done: 0, layers: 2 } });
    await waitFor(() => tab.seen.some(({ event, data }) => event === 'rental_changed' && (data as { phase: string }).phase === 'pulling') || undefined, { what: 'the phase', ...WITHIN });
    expect(tab.seen.find(({ event }) => event === 'rental_progress')).toMatchObject({ data: { progress: { current_bytes: 5 } } });
  });

  it('tell the metrics of a heartbeat to those who look, and a rental’s only from its own machine', async () => {
    const [nodeTab, rentalTab] = [open(alice.account.token, `node:${alice.agent.nodeId}`), open(alice.account.token, `rental:${alice.rentalId}`)];
    const mallory = await makeEstate(market);
    ends.push(() => mallory.agent.close());
    await Promise.all([joined(nodeTab), joined(rentalTab)]);
    const beat = { rental_id: alice.rentalId, epoch: 1, state: 'running', tunnel_up: true, up_s: 1 } as const;
    await mallory.agent.beat({ instances: [{ ...beat, cpu_percent: 666 }] });
    await alice.agent.beat({ instances: [{ ...beat, cpu_percent: 12 }] });
    const metrics = (tab: Tab) => tab.seen.filter(({ event }) => event === 'metrics');
    await waitFor(() => (metrics(nodeTab).length > 0 && metrics(rentalTab).length > 0) || undefined, { what: 'metrics', ...WITHIN });
    expect(metrics(nodeTab)[0]).toMatchObject({ data: { metrics: { ram_usage_mb: 4096 } } });
    expect(metrics(rentalTab).map(({ data }) => (data as { instance: { cpu_percent: number } }).instance.cpu_percent)).toEqual([12]);
  });

  it('tell a change that nobody announced, within a look', async () => {
    const tab = open(alice.account.token, 'user:me');
    await joined(tab);
    await market.app.get(Watch).pass();
    await market.db.client.hostNode.update({ where: { id: alice.agent.nodeId }, data: { name: 'renamed' } });
    const told = ({ event, data }: Tab['seen'][number]): boolean => event === 'node_changed' && (data as { name: string }).name === 'renamed';
    expect(await waitFor(() => tab.seen.find(told), { what: 'the node', ...WITHIN })).toMatchObject({ data: { node_id: alice.agent.nodeId } });
  });

  it('two tabs hear the same, in the same order; one that is closed hears nothing more', async () => {
    const [one, two] = [open(alice.account.token, 'user:me'), open(alice.account.token, 'user:me')];
    await Promise.all([joined(one), joined(two)]);
    for (const n of upTo(20)) await note(n);
    await Promise.all([noted(one, 20), noted(two, 20)]);
    expect(notes(one)).toEqual(upTo(20));
    expect(one.seen.filter(({ event }) => event === 'notification')).toEqual(two.seen.filter(({ event }) => event === 'notification'));
    one.client.close();
    await note(21);
    await noted(two, 21);
    expect(notes(one)).toEqual(upTo(20));
  });

  it('tell a person what the market tells them, as it is kept', async () => {
    const tab = open(alice.account.token, 'user:me');
    await joined(tab);
    await withTx(market.db, (tx) => emitEvent(tx, { name: 'PaymentReceived', aggregateId: alice.account.id, payload: { amount_usd: '7.000000' } }));
    market.app.get(Outbox).wake();
    const frame = await waitFor(() => tab.seen.find(({ event, data }) => event === 'notification' && (data as { kind: string }).kind === 'payment_received'), { what: 'the notification', ...WITHIN });
    const { body } = await market.call('listNotifications', { token: alice.account.token });
    expect(body.items.map((item: { id: string }) => item.id)).toContain((frame.data as { id: string }).id);
  });

  it('keep their numbers while nothing is missing, and never carry another’s', async () => {
    const [mine, other] = [open(alice.account.token, 'user:me'), open(bob.token, 'user:me')];
    await Promise.all([joined(mine), joined(other)]);
    await note(1, market, bob.id);
    await note(2);
    await noted(mine, 2);
    await noted(other, 1);
    expect(notes(mine)).toEqual([2]);
    expect(notes(other)).toEqual([1]);
  });

  it('are forgotten with their last listener', async () => {
    const socket = await socketOf(bob.token);
    await socket.emitWithAck('subscribe', { room: 'user:me' });
    expect(market.app.get(Rooms).keys()).toContain(`user:${bob.id}`);
    socket.disconnect();
    await waitFor(() => !market.app.get(Rooms).has(`user:${bob.id}`) || undefined, { what: 'the room to be left', ...WITHIN });
  });
});

describe('coming back', () => {
  it('after a lost connection, everything that came meanwhile is there, once and in order', async () => {
    const tab = open(alice.account.token, 'user:me');
    await joined(tab);
    await note(1);
    await noted(tab, 1);
    for (const socket of socketsOf(market)) socket.conn.close();
    for (const n of upTo(30, 2)) await note(n);
    await noted(tab, 31);
    expect(notes(tab)).toEqual(upTo(31));
    expect(tab.resyncs).toBe(1);
    expect(tab.states).toContain('waiting');
  });

  it('to another replica, after the one it was on has died: nothing is missing, whoever told it', async () => {
    const replicas = [await createTestApp({ beside: market })];
    const tab = open(alice.account.token, 'user:me', () => replicas.at(-1) ?? market);
    await joined(tab);
    for (const n of upTo(5)) await note(n, n % 2 === 0 ? market : replicas[0]);
    await noted(tab, 5);
    await replicas[0]?.close();
    for (const n of upTo(5, 6)) await note(n);
    replicas.push(await createTestApp({ beside: market }));
    await noted(tab, 10);
    await note(11);
    await noted(tab, 11);
    expect(notes(tab)).toEqual(upTo(11));
    expect(tab.resyncs).toBe(1);
    tab.client.close();
    await replicas[1]?.close();
  });

  it('with a number that nobody gave, or one too old, it is told to look anew', async () => {
    const socket = await socketOf(alice.account.token);
    const { seq } = await socket.emitWithAck('subscribe', { room: 'user:me' });
    expect(await socket.emitWithAck('subscribe', { room: 'user:me', since: seq })).toMatchObject({ resync: false });
    expect(await socket.emitWithAck('subscribe', { room: 'user:me', since: seq + 5 })).toMatchObject({ resync: true });
    expect(await socket.emitWithAck('subscribe', { room: 'user:me', since: 0 })).toMatchObject({ resync: true });
  });

  it('when Redis has lost everything, listeners are told to look anew and go on hearing', async () => {
    const tab = open(alice.account.token, 'user:me');
    await joined(tab);
    await market.app.get(Redis).client.flushall();
    await market.app.get(Rooms).renew();
    await joined(tab, 2);
    await note(1);
    await noted(tab, 1);
    expect(notes(tab)).toEqual([1]);
  });
});

/** The server's ends of the live sockets. */
function socketsOf(app: TestApp) {
  return [...app.app.get(SocketServer, { strict: false }).of(LIVE_NAMESPACE).sockets.values()];
}

describe('a flood', () => {
  it('of requests is refused, and hurts nobody else', async () => {
    const [loud, calm] = [await socketOf(bob.token), await socketOf(alice.account.token)];
    const answers = await Promise.all(upTo(600).map(() => loud.emitWithAck('unsubscribe', { room: 'market' })));
    expect(answers.filter((answer) => answer.problem?.code === 'rate_limited').length).toBeGreaterThan(50);
    expect(await calm.emitWithAck('subscribe', { room: 'market' })).toMatchObject({ ok: true });
  });

  it('of one huge message ends the socket', async () => {
    const socket = await socketOf(bob.token);
    socket.emit('subscribe', { room: 'x'.repeat(600_000) });
    await waitFor(() => !socket.connected || undefined, { what: 'the socket to end', ...WITHIN });
  });

  it('for a listener that does not read lets it go instead of piling up', async () => {
    const socket = await socketOf(alice.account.token);
    await socket.emitWithAck('subscribe', { room: 'user:me' });
    const raw = (socket.io.engine as unknown as { transport: { ws: { _socket?: { pause(): void } } } }).transport.ws._socket;
    if (!raw) throw new Error('no socket below');
    raw.pause();
    const text = 'x'.repeat(2_000);
    for (let sent = 0; sent < 20_000 && socketsOf(market).some((one) => one.connected); sent += 200) {
      await Promise.all(upTo(200).map(() => market.app.get(Live).publish(['user', alice.account.id], 'notification', { id: crypto.randomUUID(), at: new Date().toISOString(), kind: 'account_notice', title: 'flood', message: text, subject: null })));
    }
    await waitFor(() => socketsOf(market).length === 0 || undefined, { what: 'the deaf listener to be let go', ...WITHIN });
  });
});
