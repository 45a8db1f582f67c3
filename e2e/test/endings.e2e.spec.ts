import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, statfs, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatUsd, parseUsd, ProblemError, STORAGE_RESERVE_H, type RentalView } from '@muster/shared-types';
import { writeTestImage } from '@muster/testkit/engine/test-image';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCaches } from './support/caches.js';
import type { LiveSession } from './support/live-session.js';
import { Market } from './support/market.js';
import { needs, obstacle } from './support/obstacle.js';
import { expectExactBill, overSsh, Renter, type RentWish } from './support/renter.js';
import { figure, until } from './support/until.js';

const exec = promisify(execFile);
const OPEN_MS = 300_000;
/** Coarse: a session that is cut is gone long before. */
const CUT_MS = 15_000;
const RACERS = 50;
/** Two of these fit on two cores. */
const SMALL: RentWish = { offer: (offer) => offer.cpu_cores === 1 };

const TEMPLATES: [slug: string, image: string, ports: number[], ssh: boolean, readyPort: number | null, command: string[]][] = [
  ['quits', 'muster/busybox:latest', [7000], false, 7000, ['/bin/false']],
  ['no-sshd', 'muster/busybox:latest', [22], true, null, []],
  ['nowhere', '127.0.0.1:9/nobody/nothing:latest', [7000], false, 7000, []],
  ['mute', 'muster/busybox:latest', [7000], false, 7000, []],
];

/** The image that ships, and one of busybox alone, which runs for ever and serves nothing. */
async function imagesFor(home: string): Promise<Record<string, string>> {
  const { imagesDir } = await findCaches();
  const folder = join(home, 'images');
  await mkdir(folder);
  for (const file of await readdir(imagesDir)) if (file.startsWith('workspace-')) await symlink(join(imagesDir, file), join(folder, file));
  await writeTestImage(folder);
  return { MUSTER_IMAGES_DIR: folder };
}

describe.skipIf(obstacle !== null)(`every way in which a rental ends, or does not begin${needs}`, { timeout: 180_000 }, () => {
  let market: Market;
  let renter: Renter;

  beforeAll(async () => {
    market = await Market.open({ prepare: imagesFor, env: { MUSTER_RATE_LIMIT_PER_MIN: '100000', MUSTER_SIGN_IN_LIMIT_PER_MIN: '1000' } });
    for (const template of TEMPLATES) {
      await market.sql('INSERT INTO "Template" (slug, title, image, ports, ssh, "readyPort", command) VALUES ($1, $1, $2, $3, $4, $5, $6)', template);
    }
    renter = await Renter.signUp(market, '20');
  }, OPEN_MS);

  afterAll(async () => {
    await market?.close();
  }, OPEN_MS);

  /** The session ends, and not before `deadline` (ms since the epoch). */
  async function cutAfter(session: LiveSession, deadline: number): Promise<void> {
    const endedAt = await Promise.race([session.closed, until('the session to be cut', () => session.endedAt, deadline - Date.now() + CUT_MS)]);
    expect(endedAt).toBeGreaterThanOrEqual(deadline);
    figure('cut after its deadline', endedAt - deadline);
  }

  const deadlineOf = (rental: RentalView): number => Date.parse(rental.billing.deadline_at ?? '');
  const ended = (who: Renter, rental: RentalView): Promise<RentalView> => who.untilOver(rental.id);

  describe('the last slot', () => {
    it(`${RACERS} rents at once: exactly one is taken, and the same request again gives the same rental`, async () => {
      const racers = await Promise.all(Array.from({ length: 5 }, () => Renter.signUp(market, '20')));
      const largest = Math.max(...(await renter.offers()).map((offer) => offer.cpu_cores));
      const wish = await renter.wish({ offer: (offer) => offer.cpu_cores === largest, template: 'workspace' });
      const calls = Array.from({ length: RACERS }, (_, index) => ({ who: racers[index % racers.length]!, key: randomUUID() }));
      const answers = await Promise.allSettled(calls.map(({ who, key }) => who.client.call('createRental', { idempotencyKey: key, body: wish })));
      const taken = answers.flatMap((answer, index) => (answer.status === 'fulfilled' ? [{ ...calls[index]!, rental: answer.value }] : []));
      try {
        const refusals = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason instanceof ProblemError ? answer.reason.problem.code : String(answer.reason)] : []));
        expect(refusals).toEqual(Array.from({ length: RACERS - 1 }, () => 'offer_gone'));
        const { who, key, rental } = taken[0]!;
        expect((await who.client.call('createRental', { idempotencyKey: key, body: wish })).id).toBe(rental.id);
        await expect(who.client.call('createRental', { idempotencyKey: key, body: { ...wish, disk_gb: 2 } })).rejects.toMatchObject({ problem: { code: 'idempotency_conflict', status: 422 } });
      } finally {
        await Promise.all(taken.map(({ who, rental }) => who.destroy(rental.id)));
      }
    });
  });

  describe('starts that fail', () => {
    /** It never ran, costs nothing, everything of it is free again, and a person reads why. */
    async function expectFailed(rental: RentalView, words: RegExp): Promise<void> {
      const over = await until(`${rental.template} to have failed`, async () => {
        const seen = await renter.look(rental.id);
        expect(seen.status).not.toBe('running');
        return seen.status === 'failed' && seen.released ? seen : undefined;
      }, 150_000);
      expect(over.fault?.message).toMatch(words);
      expect(over).toMatchObject({ start_time: null, billing: { billed_seconds: 0, cost_usd: '0.000000' } });
      const { items } = await renter.client.call('listStatement', { query: { rental_id: rental.id } });
      expect(items).toEqual([]);
      console.log(`    ${rental.template}: ${over.fault?.message}`);
    }

    it('an image that exits at once', async () => {
      await expectFailed(await renter.rent({ template: 'quits' }), /ended .* after it was started/);
    });

    it('an image that cannot be pulled', async () => {
      await expectFailed(await renter.rent({ template: 'nowhere' }), /could not be pulled/);
    });

    it('a disk that is full', async () => {
      const filler = join(market.home, 'agent/engine/pool/filler');
      const { bavail, bsize } = await statfs(join(market.home, 'agent/engine/pool'));
      await exec('fallocate', ['-l', String(Math.max(1, bavail - 2_000) * bsize), filler]);
      try {
        await expectFailed(await renter.rent({ template: 'workspace' }), /disk/i);
      } finally {
        await rm(filler);
      }
    });

    it('a template that promises sshd and has none, and beside it a dockerd that does not answer', async () => {
      const promised = await renter.rent({ template: 'no-sshd' });
      await until('its port to be tried', async () => ['tunnelling', 'probing'].includes((await renter.look(promised.id)).phase ?? ''));
      const stuck = await market.whileStopped(await market.dockerdPid(), async () => {
        const rental = await renter.rent({ template: 'mute' });
        await until('it to be given up', async () => (await renter.look(rental.id)).status === 'failed', 150_000);
        return rental;
      });
      // The agent says what is missing, unless the engine that stands still holds it up until the market gives up by itself.
      await expectFailed(promised, /no SSH server|did not answer on its public port/);
      await expectFailed(stuck, /engine/);
    });

    it('leave nothing claimed', async () => {
      const node = await market.operator.call('getNode', { params: { node_id: market.nodeId } });
      expect(node.used).toEqual({ cpu_cores: 0, ram_mb: 0, disk_gb: 0, gpus: 0 });
    });
  });

  describe('ends of a live session', () => {
    it('destroy', async () => {
      const rental = await renter.rentRunning();
      const session = await renter.session(rental);
      const asked = Date.now();
      const over = renter.destroy(rental.id);
      await cutAfter(session, asked);
      expect(await over).toMatchObject({ status: 'ended', end_reason: 'destroyed' });
      await expectExactBill(renter, await over);
    });

    it('stop: disk and address are kept, also over the death of the agent, the rest is free; start goes on with them', async () => {
      const rental = await renter.rentRunning();
      const door = await renter.sshArgs(rental);
      const session = await renter.session(rental);
      expect((await overSsh(door, 'echo kept > /workspace/file; echo lost > /root/file')).code).toBe(0);
      const { key } = await renter.client.call('createApiKey', { body: { name: 'shell', scopes: ['read', 'rent'] } });
      const person = async (...args: string[]): Promise<RentalView> => {
        const ran = await market.cli([...args, '--json'], 150_000, { MUSTER_URL: market.url, MUSTER_API_KEY: key });
        if (ran.code !== 0) throw new Error(`${args.join(' ')}: ${ran.stderr}${ran.stdout}\n${market.logs()}`);
        return JSON.parse(ran.stdout) as RentalView;
      };
      const asked = Date.now();
      const stopping = person('stop', rental.id);
      await cutAfter(session, asked);
      expect(await stopping).toMatchObject({ status: 'stopped', actions: ['start', 'destroy'], end_time: null });
      const stored = async (): Promise<number> => {
        await renter.client.call('listStatement', { query: { rental_id: rental.id } }); // settles
        return (await renter.look(rental.id)).billing.stored_seconds;
      };
      await market.kill('agent');
      await market.untilWell();
      const before = await stored();
      await until('the next agent to speak of its disk', async () => (await stored()) > before);
      const { used } = await market.operator.call('getNode', { params: { node_id: market.nodeId } });
      expect(used).toEqual({ cpu_cores: 0, ram_mb: 0, disk_gb: 1, gpus: 0 });
      const again = await person('start', rental.id);
      expect(again.connection?.ssh?.known_hosts).toBe(rental.connection?.ssh?.known_hosts);
      const left = await overSsh(door, 'cat /workspace/file; cat /root/file');
      expect(left.stdout).toBe('kept\n');
      expect(left.code).not.toBe(0);
      const over = await renter.destroy(rental.id);
      expect(over.billing.stored_seconds).toBeGreaterThan(0);
      await expectExactBill(renter, over);
    });

    /** Runs into its own limit, with a session open. */
    async function intoItsLimit(wish: RentWish, by: 'run_until' | 'spend_limit'): Promise<RentalView> {
      const rental = await renter.rentRunning(wish);
      expect(rental.billing.deadline_by).toBe(by);
      const session = await renter.session(rental);
      await cutAfter(session, deadlineOf(rental));
      const over = await ended(renter, rental);
      expect(over).toMatchObject({ status: 'ended', end_reason: by });
      expect(Date.parse(over.end_time ?? '')).toBe(deadlineOf(rental));
      await expectExactBill(renter, over);
      return over;
    }

    it('run_until, and beside it max_spend_usd: never a micro-dollar more', async () => {
      const { expected_dph_total: rate } = await renter.wish(SMALL);
      const most = (parseUsd(rate) * 15n) / 3600n;
      const byTime = intoItsLimit({ ...SMALL, run_until: new Date(Date.now() + 30_000).toISOString() }, 'run_until');
      const [spent] = await Promise.all([intoItsLimit({ ...SMALL, max_spend_usd: formatUsd(most) }, 'spend_limit'), byTime]);
      expect(parseUsd(spent.billing.settled_usd)).toBeLessThanOrEqual(most);
    });

    it('a deadline while the backend is away', async () => {
      const rental = await renter.rentRunning({ run_until: new Date(Date.now() + 30_000).toISOString() });
      const session = await renter.session(rental);
      await market.without('backend', () => cutAfter(session, deadlineOf(rental)));
      await market.untilWell();
      const over = await ended(renter, rental);
      expect(over).toMatchObject({ status: 'ended', end_reason: 'run_until' });
      expect(Date.parse(over.end_time ?? '')).toBe(deadlineOf(rental));
      await expectExactBill(renter, over);
    });

    it('a balance that is used up: access ends, what is left keeps the disk', async () => {
      const poor = await Renter.signUp(market, '0.02');
      const rental = await poor.rentRunning();
      const session = await poor.session(rental);
      // Renting takes ten minutes of money, so the time in which it was used up is put behind us.
      const left = Date.parse(rental.billing.deadline_at ?? '') - Date.now() - 12_000;
      await market.sql(`UPDATE "Rental" SET "startTime" = "startTime" - $2 * interval '1 second', "billedThrough" = "billedThrough" - $2 * interval '1 second' WHERE id = $1::uuid`, [rental.id, Math.floor(left / 1000)]);
      await market.operator.call('grantCredit', { body: { email: poor.email, amount_usd: '0.000001' }, idempotencyKey: randomUUID() });
      const { deadline_at: deadline, deadline_by: by } = (await poor.look(rental.id)).billing;
      expect(by).toBe('balance');
      await cutAfter(session, Date.parse(deadline ?? ''));
      const stopped = await until('it to be stopped', async () => {
        const seen = await poor.look(rental.id);
        return seen.status === 'stopped' ? seen : undefined;
      });
      expect(stopped).toMatchObject({ fault: { code: 'balance_exhausted' }, billing: { stored_since: deadline, deadline_by: 'balance' } });
      const keeps = parseUsd(stopped.billing.stopped_dph) * BigInt(STORAGE_RESERVE_H);
      const aSecond = (parseUsd(stopped.billing.dph_total) + 3599n) / 3600n;
      const balance = async (): Promise<bigint> => parseUsd((await poor.client.call('getBalance', {})).balance_usd);
      // What the disk has cost since is a micro-dollar at the most.
      expect(await balance()).toBeGreaterThanOrEqual(keeps - 2n);
      expect(await balance()).toBeLessThan(keeps + aSecond);
      expect(Date.parse(stopped.billing.deadline_at ?? '') - Date.parse(deadline ?? '')).toBeGreaterThanOrEqual(STORAGE_RESERVE_H * 3_600_000);
      await expect(poor.client.call('startRental', { idempotencyKey: randomUUID(), params: { rental_id: rental.id } })).rejects.toMatchObject({ problem: { code: 'insufficient_funds' } });
      await expect(poor.rent()).rejects.toMatchObject({ problem: { code: 'insufficient_funds' } });
      await expectExactBill(poor, await poor.destroy(rental.id));
    });

    it('retire --force', async () => {
      const rental = await renter.rentRunning();
      const session = await renter.session(rental);
      expect((await market.cli(['node', 'retire', market.nodeId, '--yes', '--json'])).code).toBe(4);
      await session.answers();
      const asked = Date.now();
      await market.must(['node', 'retire', market.nodeId, '--force', '--yes', '--json']);
      await cutAfter(session, asked);
      const over = await ended(renter, rental);
      expect(over).toMatchObject({ status: 'ended', end_reason: 'host_retired' });
      await expectExactBill(renter, over);
      expect(await renter.offers()).toEqual([]);
    });
  });
});
