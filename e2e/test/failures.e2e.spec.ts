import { COVERED_GAP_S, type RentalView } from '@muster/shared-types';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LiveSession } from './support/live-session.js';
import { Market, PARTS, type PartName } from './support/market.js';
import { needs, obstacle } from './support/obstacle.js';
import { expectExactBill, gapsOf, overSsh, Renter } from './support/renter.js';
import { delayUntil, figure, until } from './support/until.js';

const OPEN_MS = 300_000;
/** Everything is consistent again by then, on whatever machine. */
const CONSISTENT_MS = 60_000;
const AWAY_MS = 30_000;
/** Longer than what is covered; the last heartbeat was even before. */
const SILENCE_MS = (COVERED_GAP_S + 2) * 1000;

describe.skipIf(obstacle !== null)(`one rental while the parts of its market and of its host fail${needs}`, { timeout: 180_000 }, () => {
  let market: Market;
  let renter: Renter;
  let rental: RentalView;
  let ssh: string[];
  let session: LiveSession;
  /** Rented while the gate was away. */
  let second: RentalView;

  beforeAll(async () => {
    market = await Market.open();
    renter = await Renter.signUp(market, '20');
    rental = await renter.rentRunning();
    ssh = await renter.sshArgs(rental);
    session = await renter.session(rental);
  }, OPEN_MS);

  afterAll(async () => {
    await session?.end();
    await market?.close();
  }, OPEN_MS);

  const newConnection = async (): Promise<void> => expect(await overSsh(ssh, 'echo in')).toMatchObject({ stdout: 'in\n', code: 0 });
  const gaps = () => gapsOf(market, rental.id);

  /** The market answers, its host's socket carries questions and answers, and nobody holds anything against anybody. */
  async function consistentAgain(): Promise<void> {
    const since = Date.now();
    await until('everything to be consistent again', async () => {
      if (!(await market.isReady())) return false;
      await renter.client.call('getRentalLogs', { params: { rental_id: rental.id } });
      const node = await market.operator.call('getNode', { params: { node_id: market.nodeId } });
      const { status } = await renter.look(rental.id);
      return node.presence === 'online' && node.listing === 'listed' && status === 'running';
    }, CONSISTENT_MS);
    figure('consistent again after', Date.now() - since);
  }

  /** The session is the same one and still answers; what was not a silence of the host costs no second. */
  async function nothingNoticed(gapsBefore: number): Promise<void> {
    await session.answers();
    figure('longest pause of the session so far', session.longestPauseMs);
    expect(await gaps()).toHaveLength(gapsBefore);
  }

  /** The session is cut, a new one comes in through the same port. */
  async function cutAndBack(): Promise<void> {
    const cutAt = await session.closed;
    await until('a new SSH connection', async () => (await overSsh(ssh, 'true')).code === 0, CONSISTENT_MS);
    figure('new connections work after', Date.now() - cutAt);
    expect((await renter.look(rental.id)).connection?.ports).toEqual(rental.connection?.ports);
    session = await renter.session(rental);
  }

  it('Redis killed: the session stays, nothing is lost', async () => {
    const before = (await gaps()).length;
    await market.without('redis', async () => {
      await session.answers();
      await newConnection();
    });
    await consistentAgain();
    await nothingNoticed(before);
  });

  it('Redis emptied: the same grace as a restart', async () => {
    const before = (await gaps()).length;
    const redis = new Redis(await market.partEnv('REDIS_URL'));
    try {
      await redis.flushall();
    } finally {
      redis.disconnect();
    }
    await until('the market to know of it', () => market.sql(`SELECT 1 FROM "ControlPlaneOutage" WHERE cause = 'redis_lost'`).then((rows) => rows[0]));
    await consistentAgain();
    await nothingNoticed(before);
  });

  it('Postgres killed: the API says 503 and when to try again, the session stays', async () => {
    const before = (await gaps()).length;
    const url = new URL('/api/v1/offers', market.url);
    await market.without('postgres', async () => {
      const response = await fetch(url);
      expect(response.status).toBe(503);
      expect(response.headers.get('content-type')).toMatch('application/problem+json');
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await response.json()).toMatchObject({ code: 'unavailable', retryable: true });
      await session.answers();
      await newConnection();
    });
    await consistentAgain();
    await nothingNoticed(before);
  });

  it('backend killed and away for 30 s: the open session goes on, new ones come in', async () => {
    const before = (await gaps()).length;
    await market.without('backend', async () => {
      const from = Date.now();
      await expect(fetch(market.url)).rejects.toThrow('fetch failed');
      await newConnection();
      await delayUntil(from + AWAY_MS);
      await session.answers();
      await newConnection();
    });
    await consistentAgain();
    await nothingNoticed(before);
  });

  it('tunnel gate killed: nothing is cut; what waits for a new tunnel goes on when it is back', async () => {
    const before = (await gaps()).length;
    const { id } = await market.without('gate', async () => {
      const asked = await renter.rent();
      await until('it to wait for its tunnel', async () => (await renter.look(asked.id)).phase === 'tunnelling');
      await newConnection();
      return asked;
    });
    second = await renter.untilRunning(id);
    await consistentAgain();
    await nothingNoticed(before);
  });

  it('dockerd killed: the session stays, the agent starts it again', async () => {
    const before = (await gaps()).length;
    const pid = await market.dockerdPid();
    process.kill(pid, 'SIGKILL');
    await newConnection();
    await until('another dockerd', async () => (await market.dockerdPid()) !== pid);
    await consistentAgain();
    await nothingNoticed(before);
  });

  it('supervisor killed: nothing notices, the next up goes on with the same processes', async () => {
    const before = (await gaps()).length;
    const running = (): Promise<number[]> => Promise.all(PARTS.map(async (part: PartName) => (await market.part(part)).pid));
    const pids = await running();
    process.kill(market.supervisorPid, 'SIGKILL');
    await newConnection();
    await market.up();
    expect(await running()).toEqual(pids); // another build of a program meanwhile would be a reason to replace it
    await consistentAgain();
    await nothingNoticed(before);
  });

  it('agent killed: the session stays, the next agent adopts what runs', async () => {
    await market.kill('agent');
    await newConnection();
    await until('the next agent', () => market.part('agent'));
    await consistentAgain();
    await session.answers();
  });

  it('frpc killed: cut, then started again with the same ports', async () => {
    const pid = market.frpcPid();
    process.kill(pid, 'SIGKILL');
    await cutAndBack();
    expect(market.frpcPid()).not.toBe(pid);
    await consistentAgain();
  });

  it('frps killed: cut, then every tunnel is back on its port', async () => {
    await market.kill('frps');
    await cutAndBack();
    await consistentAgain();
  });

  it('agent silent for longer than 15 s: the session stays, the silence is free from its first second', async () => {
    const before = (await gaps()).length;
    const { pid } = await market.part('agent');
    const from = Date.now() / 1000;
    await market.whileStopped(pid, async () => {
      await session.answers();
      await newConnection();
      await delayUntil(from * 1000 + SILENCE_MS);
      await session.answers();
    });
    const to = Date.now() / 1000;
    const gap = await until('the silence to be noted', async () => (await gaps()).slice(before).at(-1));
    expect(gap.from).toBeLessThanOrEqual(Math.ceil(from));
    expect(gap.to).toBeGreaterThanOrEqual(Math.floor(to));
    await consistentAgain();
  });

  it('frps away for longer than 15 s: cut, and free from the first second', async () => {
    const before = (await gaps()).length;
    let from = 0;
    await market.without('frps', async () => {
      from = Date.now() / 1000;
      await session.closed;
      await delayUntil(from * 1000 + SILENCE_MS);
    });
    const to = Date.now() / 1000;
    await cutAndBack();
    const gap = await until('the silence to be noted', async () => (await gaps()).slice(before).at(-1));
    // The agent looks at its tunnels twice a second; a heartbeat in that moment still counts.
    expect(gap.from).toBeLessThanOrEqual(Math.ceil(from) + 1);
    expect(gap.to).toBeGreaterThanOrEqual(Math.floor(to));
    await consistentAgain();
  });

  it('in the end the bill has no gap but what was free, and no second twice', async () => {
    const final = await renter.destroy(rental.id);
    const free = await gaps();
    console.log(`    free stretches: ${JSON.stringify(free)}`);
    for (const gap of free) expect(gap.to - gap.from).toBeGreaterThan(COVERED_GAP_S);
    await expectExactBill(renter, final);
    await expectExactBill(renter, await renter.destroy(second.id));
  });
});
