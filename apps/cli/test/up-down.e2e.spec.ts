import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PartStatus, Places } from '../src/market/events.js';
import { marketHome, type MarketHome } from './market-home.js';

const MINUTES = 60_000;
const isRoot = process.getuid?.() === 0;

/** One market, brought up once: the tests below go through its life in order. */
describe.skipIf(!isRoot)('the market of a machine (needs root: it runs an engine, a bridge and a firewall)', () => {
  let market: MarketHome;
  let first: Places & { already_running: boolean };
  beforeAll(async () => {
    market = await marketHome();
    first = (await market.json('up', '--detach')) as never;
  }, 6 * MINUTES);
  afterAll(() => market.remove(), 3 * MINUTES);

  const parts = async (): Promise<PartStatus[]> => ((await market.json('status')) as { parts: PartStatus[] }).parts;
  const pidOf = async (name: string): Promise<number> => (await parts()).find(({ part }) => part === name)?.pid ?? 0;

  it('is up with this machine as its first host, an account with credit, and keys only for its caller', async () => {
    expect(first.already_running).toBe(false);
    expect(first.parts.map(({ part, state }) => `${part} ${state}`)).toEqual(['postgres', 'redis', 'gate', 'frps', 'backend', 'web', 'agent'].map((part) => `${part} running`));
    expect(first.node).toMatchObject({ status: 'online', listing: 'listed' });
    expect(first.account).toEqual({ email: 'operator@muster.local', credit_usd: '25', balance_usd: '25.000000' });
    const { mode } = await import('node:fs/promises').then(({ stat }) => stat(first.credentials_file));
    expect(mode & 0o777).toBe(0o600);
    const offers = (await market.json('search')) as { items?: unknown[]; offers?: unknown[] };
    expect((offers.items ?? offers.offers ?? []).length).toBeGreaterThan(0);
  });

  it('says so when it is asked to come up a second time', async () => {
    const again = (await market.json('up')) as unknown as typeof first;
    expect(again).toMatchObject({ already_running: true, url: first.url, supervisor_pid: first.supervisor_pid });
  });

  it.each(['gate', 'frps', 'redis', 'postgres', 'backend', 'web', 'agent'])('starts %s again when it is killed', async (name) => {
    const before = await pidOf(name);
    process.kill(before, 'SIGKILL');
    await waitFor(async () => {
      const now = await pidOf(name);
      return now !== 0 && now !== before;
    }, { deadlineMs: MINUTES, what: `${name} to be back`, everyMs: 200 });
    await waitFor(async () => (await fetch(`${first.url}/ready`)).ok, { deadlineMs: MINUTES, what: 'the market to be ready', everyMs: 200 });
  }, 3 * MINUTES);

  it('keeps its parts when the supervisor is killed, and the next one goes on with them', async () => {
    const before = await parts();
    const { pid } = JSON.parse(await readFile(join(market.home, 'run', 'supervisor.lock'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
    await waitFor(async () => (await market.run('status')).code === 3, { deadlineMs: MINUTES, what: 'the supervisor to be gone', everyMs: 200 });
    expect((await fetch(`${first.url}/ready`)).ok).toBe(true);
    const next = (await market.json('up', '--detach')) as unknown as typeof first;
    expect(next.already_running).toBe(false);
    expect(next.parts.map(({ part, pid: now }) => [part, now])).toEqual(before.map(({ part, pid: was }) => [part, was]));
  }, 4 * MINUTES);

  it('goes away without a trace, also when nobody supervises it any more', async () => {
    const { pid } = JSON.parse(await readFile(join(market.home, 'run', 'supervisor.lock'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
    expect(await market.json('down', '--yes')).toEqual({ stopped: true });
    expect(await market.remains()).toEqual([]);
    expect((await market.run('status')).code).toBe(3);
    expect(await market.json('down')).toEqual({ stopped: false });
  }, 4 * MINUTES);

  it('comes back with what it had, and ends on SIGTERM', async () => {
    const again = (await market.json('up', '--detach')) as unknown as typeof first;
    expect(again.node?.id).toBe(first.node?.id);
    expect(again.url).toBe(first.url);
    process.kill(again.supervisor_pid, 'SIGTERM');
    await waitFor(async () => (await market.remains()).length === 0, { deadlineMs: 2 * MINUTES, what: 'everything to be gone', everyMs: 500 });
  }, 5 * MINUTES);
});
