import { COVERED_GAP_S, type RentalView } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DistantHost } from './support/distant-host.js';
import { Market } from './support/market.js';
import { needs, obstacle } from './support/obstacle.js';
import { expectExactBill, gapsOf, overSsh, Renter } from './support/renter.js';
import { delayUntil, figure, until } from './support/until.js';

const OPEN_MS = 300_000;
/** Longer than what is covered, so that it must be free. */
const SHORT_CUT_MS = (COVERED_GAP_S + 5) * 1000;
/** So long that every program has given up its old connections and waits between two tries. */
const LONG_CUT_MS = 75_000;

describe.skipIf(obstacle !== null)(`one rental on a host whose network is cut${needs}`, { timeout: 300_000 }, () => {
  let market: Market;
  let host: DistantHost;
  let renter: Renter;
  let rental: RentalView;
  let ssh: string[];

  beforeAll(async () => {
    market = await Market.open({ agent: false });
    host = await DistantHost.open(market);
    renter = await Renter.signUp(market, '20');
    rental = await renter.rentRunning();
    ssh = await renter.sshArgs(rental);
  }, OPEN_MS);

  afterAll(async () => {
    await host?.close();
    await market?.close();
  }, OPEN_MS);

  const presence = async (): Promise<string> => (await market.operator.call('getNode', { params: { node_id: host.nodeId } })).presence;

  /** What is settled, asked for right now: a statement is never shown before what can be settled is. */
  async function settled(): Promise<{ through: number; usd: string }> {
    await renter.client.call('listStatement', { query: { rental_id: rental.id } });
    const { billed_through: through, settled_usd: usd } = (await renter.look(rental.id)).billing;
    return { through: Date.parse(through ?? ''), usd };
  }

  /** The market sees its host and says that the rental runs, as the host does. */
  const bothAgree = () => until('both sides to agree', async () => (await presence()) === 'online' && (await renter.look(rental.id)).status === 'running');

  /** A question of the market's reaches the host, and its answer the market. */
  const hostAnswers = () => until('the host to answer', () => renter.client.call('getRentalLogs', { params: { rental_id: rental.id } }));

  it.each([
    ['for a little longer than what is covered', SHORT_CUT_MS],
    ['for so long that nobody tries often any more', LONG_CUT_MS],
  ])('%s: cut off, free, and all as before when it is back', async (_, lengthMs) => {
    const before = (await gapsOf(market, rental.id)).length;
    const session = await renter.session(rental);
    const from = Date.now();
    await host.cut();
    figure('session cut after', (await session.closed) - from);
    await until('the market to miss its host', async () => (await presence()) !== 'online');
    const atLast = await settled();
    expect(atLast.through).toBeLessThanOrEqual(from + 1_000);
    expect((await overSsh([...ssh.slice(0, -1), '-o', 'ConnectTimeout=5', ssh.at(-1) ?? ''], 'true')).code).toBe(255);
    await delayUntil(from + lengthMs);
    expect(await settled()).toEqual(atLast);
    expect((await renter.look(rental.id)).status).toBe('running');

    const to = Date.now();
    await host.mend();
    await Promise.all([
      bothAgree().then(() => figure('both sides agree after', Date.now() - to)),
      until('a new SSH connection', async () => (await overSsh(ssh, 'true')).code === 0).then(() => figure('new connections work after', Date.now() - to)),
    ]);
    await hostAnswers();
    const again = await renter.session(rental);
    await again.answers();
    await again.end();
    const gap = await until('the silence to be noted', async () => (await gapsOf(market, rental.id)).slice(before).at(-1));
    // A heartbeat that was on its way still counts.
    expect(gap.from).toBeLessThanOrEqual(Math.ceil(from / 1000) + 1);
    expect(gap.to).toBeGreaterThanOrEqual(Math.floor(to / 1000));
    expect(await gapsOf(market, rental.id)).toHaveLength(before + 1);
  });

  it('in the end the bill has every second but those, and none twice', async () => {
    const free = await gapsOf(market, rental.id);
    for (const [index, gap] of free.entries()) expect(gap.from).toBeGreaterThanOrEqual(free[index - 1]?.to ?? 0);
    console.log(`    free stretches: ${JSON.stringify(free)}`);
    await expectExactBill(renter, await renter.destroy(rental.id));
  });
});
