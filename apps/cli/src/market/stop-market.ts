import { access } from 'node:fs/promises';
import { waitFor } from '@muster/local-services';
import { cleanHost } from './clean-host.js';
import type { LiveRental, MarketEvent, PartName } from './events.js';
import type { Keeper } from './keeper.js';
import type { Layout } from './layout.js';
import type { LocalHost } from './local-host.js';
import { END_INSTANCES, stopLeftovers } from './parts.js';

const SETTLE_MS = 20_000;

export interface StoppingMarket {
  layout: Layout;
  keepers: ReadonlyMap<PartName, Keeper>;
  tell(event: MarketEvent): void;
  liveRentals(): Promise<LiveRental[]>;
  /** Every node of this machine with its agent's environment; empty when the market was stopped before it had settings. */
  hosts: readonly { host: LocalHost; env: Record<string, string> }[];
}

/**
 * Instances first, while everything that settles them still runs; then who speaks to the outside; the stores last. A
 * step that fails is told and the next one comes: what can be ended is ended.
 */
export async function stopMarket(market: StoppingMarket): Promise<void> {
  const startedAt = performance.now();
  const { tell } = market;
  const ends = await market.liveRentals().catch(() => []); // a database that is down settles later
  tell({ kind: 'stopping', ends });
  await endHosts(market);
  if (ends.length > 0) await step(market, ends.length === 1 ? '1 rental settled' : `${ends.length} rentals settled`, () => untilSettled(market));
  await stopPart(market, 'web');
  await stopPart(market, 'backend');
  await Promise.all([stopPart(market, 'frps'), stopPart(market, 'gate')]);
  await Promise.all([stopPart(market, 'redis'), stopPart(market, 'postgres')]);
  await step(market, undefined, () => stopLeftovers(market.layout.home));
  tell({ kind: 'stopped', ms: performance.now() - startedAt });
}

async function endHosts(market: StoppingMarket): Promise<void> {
  const were = await Promise.all(market.hosts.map(async ({ host }) => market.keepers.has(host.part) || (await access(host.stateDir).then(() => true, () => false))));
  const hosts = market.hosts.filter((_, index) => were[index]);
  if (hosts.length === 0) return;
  const text = hosts.length === 1 ? 'instances, engine and network of this machine are gone' : `instances, engines and networks of ${hosts.length} nodes are gone`;
  await step(market, text, async () => {
    const ended = await Promise.allSettled(hosts.map(({ host, env }) => endHost(market, host, env)));
    for (const result of ended) if (result.status === 'rejected') throw result.reason;
  });
}

/** The agent says goodbye and takes its instances along; then anything it could not take. */
async function endHost(market: StoppingMarket, host: LocalHost, env: Record<string, string>): Promise<void> {
  await market.keepers.get(host.part)?.stop();
  await stopLeftovers(market.layout.home, host.part, END_INSTANCES);
  await cleanHost(host.stateDir, env);
}

async function untilSettled(market: StoppingMarket): Promise<void> {
  await waitFor(async () => (await market.liveRentals()).length === 0, { deadlineMs: SETTLE_MS, what: 'the rentals of this machine to be settled; the next `muster up` settles them', everyMs: 100 });
}

async function stopPart(market: StoppingMarket, part: PartName): Promise<void> {
  const keeper = market.keepers.get(part);
  if (keeper) await step(market, `${part} stopped`, () => keeper.stop());
}

async function step(market: StoppingMarket, text: string | undefined, work: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  try {
    await work();
    if (text) market.tell({ kind: 'step', text, ms: performance.now() - startedAt });
  } catch (error) {
    market.tell({ kind: 'note', text: error instanceof Error ? error.message : String(error) });
  }
}
