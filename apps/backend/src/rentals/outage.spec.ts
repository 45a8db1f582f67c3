import fc from 'fast-check';
import { waitFor } from '@muster/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RentalWorld } from '../../test/rental-world.js';
import { ControlOutage } from '../agents/control-outage.js';
import { costOf } from '../ledger/pricing.rules.js';
import { Settler } from '../ledger/settle.js';
import { Redis } from '../platform/redis.js';
import { DeadlineEnder } from './deadlines.js';
import { StartsAndStops } from './starts.js';

let world: RentalWorld;
beforeAll(async () => {
  world = await RentalWorld.start();
});
afterAll(() => world.close());
/** Out of the grace of whatever a test did. */
afterEach(async () => {
  world.seconds(200);
  await world.app.app.get(ControlOutage).tick();
});

const row = (id: string) => world.db.rental.findUniqueOrThrow({ where: { id } });
const running = async (body: Record<string, unknown> = {}) => {
  const renter = await world.renter(25);
  const id = await world.running(renter, `${await world.node({ cpu: 4, ramMb: 8_192, diskGb: 40 })}.c1`, body);
  return { renter, id };
};
/** The market is away for so many seconds, and comes back. */
const away = async (seconds: number) => {
  await world.app.app.get(ControlOutage).tick();
  world.seconds(seconds);
  await world.app.app.get(ControlOutage).boot();
};
const deadlines = () => world.app.app.get(DeadlineEnder).pass();
const lawful = async () => expect(await world.broken()).toEqual([]);

describe('while the market is away', () => {
  it('the seconds of an instance that went on count', async () => {
    const { renter, id } = await running();
    await world.pass(60, [id]);
    await away(3_600);
    world.seconds(12);
    await world.beat([id]);
    await world.pass(20, [id]);
    await world.destroy(renter, id);
    expect((await row(id)).billedSeconds).toBe(60n + 3_600n + 12n + 20n);
    await lawful();
  });

  it('those of one that began anew do not', async () => {
    const { renter, id } = await running();
    await world.pass(60, [id]);
    await away(120);
    world.seconds(10);
    await world.beat([id], 30);
    await world.pass(20, [id]);
    await world.destroy(renter, id);
    expect((await row(id)).billedSeconds).toBe(80n);
    await lawful();
  });

  it('a deadline is kept by the agent, and billed exactly when it says so', async () => {
    const { id } = await running({ max_spend_usd: '0.001' });
    const deadline = (await row(id)).deadlineAt;
    await world.pass(60, [id]);
    await away(400);
    expect(await deadlines()).toBe(0);
    expect((await row(id)).status).toBe('running');
    await world.report(id, 'exited', { fault: { code: 'deadline', message: '' } });
    expect(await row(id)).toMatchObject({ status: 'stopping', endReason: 'spend_limit', endTime: deadline });
    await lawful();
  });

  it('a deadline of a node that does not come back is billed to its last heartbeat', async () => {
    const { id } = await running({ run_until: new Date(world.clock.now().getTime() + 200_000).toISOString() });
    await world.pass(60, [id]);
    await away(400);
    world.seconds(61);
    expect(await deadlines()).toBe(1);
    expect(await row(id)).toMatchObject({ endReason: 'run_until', billedSeconds: 60n });
    await lawful();
  });

  it('a destroy just after waits for the proof of the node, and is billed with it', async () => {
    const { renter, id } = await running();
    await world.pass(60, [id]);
    await away(100);
    world.seconds(5);
    const answer = await world.destroy(renter, id);
    expect(answer.body).toMatchObject({ status: 'stopping', end_time: null, connection: null });
    world.seconds(3);
    await world.beat([id]);
    expect(await row(id)).toMatchObject({ status: 'stopping', billedSeconds: 165n });
    await world.report(id, 'gone');
    expect((await row(id)).status).toBe('ended');
    await lawful();
  });

  it('and is billed to the last heartbeat when there is no proof', async () => {
    const { renter, id } = await running();
    await world.pass(60, [id]);
    await away(100);
    await world.destroy(renter, id);
    await world.report(id, 'gone');
    expect(await row(id)).toMatchObject({ status: 'ended', billedSeconds: 60n });
    const other = await running();
    await world.pass(30, [other.id]);
    await away(100);
    await world.destroy(other.renter, other.id);
    world.seconds(200);
    await world.app.app.get(StartsAndStops).pass();
    expect(await row(other.id)).toMatchObject({ status: 'ended', billedSeconds: 30n });
    await lawful();
  });
});

describe('when Redis loses everything', () => {
  it('heartbeats go on as before: no second is lost or billed twice', async () => {
    const { renter, id } = await running();
    const redis = world.app.app.get(Redis);
    await world.pass(3_700, [id]);
    await world.app.app.get(Settler).settleDue(world.clock.now());
    await world.app.app.get(ControlOutage).tick();
    await redis.client.flushall();
    world.seconds(4);
    expect(await world.app.app.get(Settler).settleDue(world.clock.now())).toEqual({ rentals: 0, amountMicro: 0n });
    await world.beat([id]);
    await world.pass(50, [id]);
    await world.destroy(renter, id);
    expect((await row(id)).billedSeconds).toBe(3_754n);
    await lawful();
  });

  it('an instance whose tunnel was down then is not billed for that time', async () => {
    const { renter, id } = await running();
    await world.pass(60, [id]);
    await world.app.app.get(Settler).settleOf(renter.id, world.clock.now());
    world.seconds(40);
    await world.app.app.get(ControlOutage).tick();
    await world.app.app.get(Redis).client.flushall();
    world.seconds(4);
    await world.beat([id], 1);
    await world.pass(20, [id]);
    await world.destroy(renter, id);
    expect((await row(id)).billedSeconds).toBe(81n);
    await lawful();
  });

  it.each([
    ['emptied', async (redis: Redis) => void (await redis.client.flushall())],
    ['killed', async () => world.app.redis.kill()],
  ])('%s while its tunnel is down, and ended before that is up again: billed to where it went down', async (_, lose) => {
    const { renter, id } = await running();
    await world.pass(60, [id]);
    await world.passDown(40, [id]);
    await world.app.app.get(ControlOutage).tick();
    const redis = world.app.app.get(Redis);
    await lose(redis);
    world.seconds(4);
    await world.destroy(renter, id);
    await world.app.redis.restart();
    await waitFor(() => redis.client.status === 'ready' || undefined, { what: 'Redis to be back', deadlineMs: 20_000 });
    await world.report(id, 'gone');
    expect(await row(id)).toMatchObject({ status: 'ended', billedSeconds: 60n });
    await lawful();
  });

  it('emptied just before an end: billed to the moment', async () => {
    const { renter, id } = await running();
    await world.pass(60, [id]);
    await world.app.app.get(Redis).client.flushall();
    world.seconds(4);
    await world.destroy(renter, id);
    expect((await row(id)).billedSeconds).toBe(64n);
    await lawful();
  });

  it('an end while it is away is billed to the moment', async () => {
    const { renter, id } = await running();
    await world.pass(50, [id]);
    await world.app.app.get(ControlOutage).tick();
    await world.app.redis.kill();
    const redis = world.app.app.get(Redis);
    await waitFor(() => redis.client.status !== 'ready' || undefined, { what: 'Redis to be away', deadlineMs: 10_000 });
    world.seconds(7);
    await world.destroy(renter, id);
    await world.app.redis.restart();
    await waitFor(() => redis.client.status === 'ready' || undefined, { what: 'Redis to be back', deadlineMs: 20_000 });
    expect((await row(id)).billedSeconds).toBe(57n);
    await lawful();
  });
});

describe('heartbeats that end a silence while the database is slow', () => {
  const waiting = async (count: number) =>
    await waitFor(async () => {
      const rows = await world.db.$queryRaw<{ n: bigint }[]>`SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return Number(rows[0]?.n) >= count || undefined;
    }, { what: `${count} to wait for the lock`, deadlineMs: 10_000 });

  it('cost no second that lies between them', async () => {
    const { renter, id } = await running();
    await world.pass(60, [id]);
    world.seconds(40);
    const beats: Promise<void>[] = [];
    await world.db.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT 1 FROM "User" WHERE id = ${renter.id}::uuid FOR UPDATE`;
      beats.push(world.beat([id]));
      await waiting(1);
      world.seconds(5);
      beats.push(world.beat([id]));
      await waiting(2);
    }, { timeout: 30_000 });
    await Promise.all(beats);
    await world.pass(10, [id]);
    await world.destroy(renter, id);
    expect((await row(id)).billedSeconds).toBe(75n);
    await lawful();
  });
});

describe('any sequence of heartbeats, settlements and an end', () => {
  it('bills what a person counts second by second', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('beat' as const), after: fc.integer({ min: 1, max: 14 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('silence' as const), after: fc.integer({ min: 15, max: 80 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle' as const), after: fc.integer({ min: 0, max: 5 }) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('replay' as const), after: fc.constant(0) }) },
    );
    const run = async (steps: { kind: 'beat' | 'silence' | 'settle' | 'replay'; after: number }[], lastAfter: number) => {
      const { renter, id } = await running();
      const start = Number((await row(id)).startTime) / 1_000;
      const seconds = () => world.clock.now().getTime() / 1_000 - start;
      const billed = new Set<number>();
      let last = 0;
      const cover = (to: number) => {
        if (to - last <= 15) for (let second = last; second < to; second += 1) billed.add(second);
        last = to;
      };
      for (const { kind, after } of steps) {
        world.seconds(after);
        if (kind === 'settle') await world.app.app.get(Settler).settleOf(renter.id, world.clock.now());
        else {
          await world.beat([id]);
          cover(seconds());
        }
      }
      world.seconds(lastAfter);
      await world.destroy(renter, id);
      cover(seconds());
      const ended = await row(id);
      expect(Number(ended.billedSeconds)).toBe(billed.size);
      expect(ended.settledMicro).toBe(costOf(ended.rateMicroHour, billed.size));
      await world.report(id, 'gone');
    };
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 14 }), fc.integer({ min: 0, max: 40 }), run), { numRuns: 15 });
    await lawful();
  });
});
