/**
 * Searching offers at several sizes of the market, through the real backend: latency of searches alone, of searches while nodes
 * change, and how many mixed reads a second one core of the backend serves. Prints one JSON line.
 */
import { randomUUID } from 'node:crypto';
import { MarketClient } from '@muster/client';
import type { PrismaClient } from '@muster/prisma';
import { conditions, percentile } from './own-postgres.js';
import { usage, withOwnMarket, type OwnMarket } from './support/own-market.js';

/** `--sizes 100,1000,20000,100000 --searches 2000 --side 2 --seconds 10 --changes 20`. */
const chosen = new Map(Array.from({ length: Math.floor((process.argv.length - 2) / 2) }, (_, i): [string, string] => [(process.argv[2 + 2 * i] ?? '').replace(/^--/, ''), process.argv[3 + 2 * i] ?? '']));
const number = (name: string, fallback: number): number => Number(chosen.get(name) ?? fallback);
const sizes = (chosen.get('sizes') ?? '100,1000,20000,100000').split(',').map(Number);
const searches = number('searches', 2_000);
const side = number('side', 2);
const seconds = number('seconds', 10);
/** Nodes a second that are rented from or freed meanwhile. */
const changes = number('changes', 20);

const MODELS = ['RTX 4090', 'RTX 3090', 'RTX 5090', 'A100 SXM4', 'H100 SXM', 'L40S', 'RTX A6000', 'RTX 4080'];
const COUNTRIES = ['DE', 'NL', 'US', 'FR', 'SE', 'PL', 'CA', 'JP'];
const pick = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)] as T;

/** Two thirds of the machines have eight GPUs (offers of 1, 2, 4 and 8), the rest sixteen vCPUs (offers of 1 to 16). */
async function grow(db: PrismaClient, ownerId: string, offers: number): Promise<void> {
  const have = await db.hostNode.count();
  const nodes = Math.max(0, Math.ceil(offers / 4.33) - have);
  for (let done = 0; done < nodes; done += 1_000) await addNodes(db, ownerId, Math.min(1_000, nodes - done));
}

async function addNodes(db: PrismaClient, ownerId: string, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, n) => ({ id: randomUUID(), model: n % 3 < 2 ? pick(MODELS) : null }));
  await db.hostNode.createMany({
    data: rows.map(({ id, model }) => ({
      id, ownerId, name: `bench-${id.slice(0, 8)}`, publicKey: id, status: 'online' as const, lifecycle: 'verified' as const, presence: 'online' as const, listing: 'listed' as const,
      specs: { cpu_name: 'AMD EPYC 7763 64-Core Processor', arch: 'x64', isolation: 'basic', images: ['muster/workspace'], driver_version: model && '550.54.14', cuda_max_good: model && 1_204, gpus: model === null ? [] : [{ name: model, compute_cap: 890 }] },
      pricingConfig: { gpu_dph: (0.1 + Math.random() * 2).toFixed(6), cpu_core_dph: (0.005 + Math.random() * 0.01).toFixed(6) },
      locationData: { country: pick(COUNTRIES) }, cpuTotal: model === null ? 16 : 128, ramMbTotal: 262_144, diskGbTotal: 4_000, tier: model === null ? 'cpu' : 'gpu-consumer', reputationScore: 50 + Math.floor(Math.random() * 100),
    })),
  });
  await db.gpu.createMany({ data: rows.flatMap(({ id, model }) => (model === null ? [] : Array.from({ length: 8 }, (_, index) => ({ id: randomUUID(), nodeId: id, uuid: `GPU-${id}-${index}`, index, name: model, gpuRamMb: 24_564 })))) });
}

/** What people ask for: the first page, a model at a price, places, the best, the many at once, what nobody has. */
const asks: (() => Record<string, string | number>)[] = [
  () => ({ limit: 50 }),
  () => ({ limit: 50, q: `gpu_name=${pick(MODELS).replaceAll(' ', '_')} num_gpus=1 dph_total<=${(0.2 + Math.random()).toFixed(2)}` }),
  () => ({ limit: 50, q: `num_gpus=${pick([1, 2, 4, 8])} reliability>0.9 geolocation in [${pick(COUNTRIES)},${pick(COUNTRIES)}]`, order: 'dph_total,reliability-' }),
  () => ({ limit: 50, q: 'num_gpus>=1 gpu_ram_mb>=24000', order: 'reputation-,dph_total' }),
  () => ({ limit: 50, q: 'num_gpus=0 cpu_cores>=8', order: 'cpu_cores-,dph_total' }),
  () => ({ limit: 50, q: 'gpu_name=RTX_9090 dph_total<0.01' }),
];

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Latencies of so many searches, `side` at a time; every tenth goes on to the next page. */
async function searchTimes(client: MarketClient, count: number): Promise<number[]> {
  const times: number[] = [];
  const worker = async (): Promise<void> => {
    for (let cursor: string | null = null, query = pick(asks)(); times.length < count; ) {
      times.push(await timed(async () => ({ next: cursor } = await client.call('searchOffers', { query: { ...query, ...(cursor && { cursor }) } }))));
      if (cursor === null || Math.random() > 0.1) [cursor, query] = [null, pick(asks)()];
    }
  };
  await Promise.all(Array.from({ length: side }, worker));
  return times;
}

/** Until the table has everything: a search waits for it only so long. */
async function made({ db }: OwnMarket, client: MarketClient): Promise<void> {
  do await client.call('searchOffers', { query: { limit: 1 } });
  while ((await db.offerStale.count()) > 0);
}

/** Rents from and frees nodes, as their rows show it, until stopped. */
function changing(db: PrismaClient, perSecond: number): () => Promise<void> {
  let stopped = false;
  const loop = (async () => {
    const ids = (await db.hostNode.findMany({ select: { id: true }, take: 2_000 })).map(({ id }) => id);
    while (!stopped) {
      await db.$executeRaw`UPDATE "HostNode" SET "cpuUsed" = CASE WHEN "cpuUsed" = 0 THEN 1 ELSE 0 END WHERE id = ${pick(ids)}::uuid`;
      await new Promise((resolve) => setTimeout(resolve, 1_000 / perSecond));
    }
  })();
  return async () => {
    stopped = true;
    await loop;
  };
}

/** Reads of every kind for some seconds: seven searches of ten, the rest quotes, nodes, totals and rentals. */
async function mixedReads(market: OwnMarket, client: MarketClient): Promise<{ reads: number; perS: number; perCoreS: number }> {
  const { items } = await client.call('searchOffers', { query: { limit: 50 } });
  const others = [
    () => client.call('createQuote', { body: { offer_id: pick(items).id } }),
    () => client.call('listNodes', { query: { limit: 20, of: 'market' } }),
    () => client.call('listRentals', {}),
    () => client.call('getBalance', {}),
  ];
  const before = await usage(market.backendPid);
  const began = performance.now();
  let reads = 0;
  const worker = async (): Promise<void> => {
    for (; performance.now() - began < seconds * 1_000; reads += 1) await (Math.random() < 0.7 ? client.call('searchOffers', { query: { ...pick(asks)(), limit: 20 } }) : pick(others)());
  };
  await Promise.all(Array.from({ length: side * 4 }, worker));
  const cpuS = (await usage(market.backendPid)).cpuS - before.cpuS;
  return { reads, perS: Math.round(reads / ((performance.now() - began) / 1_000)), perCoreS: Math.round(reads / cpuS) };
}

const round = (value: number): number => Math.round(value * 10) / 10;

const line = await withOwnMarket(async (market) => {
  const client = new MarketClient({ url: market.url, token: market.apiKey, timeoutMs: 600_000 });
  const { id: ownerId } = await market.db.user.create({ data: { id: randomUUID(), email: `${randomUUID()}@example.com`, passwordHash: 'none' } });
  const results = [];
  for (const size of sizes) {
    await grow(market.db, ownerId, size);
    const madeMs = await timed(() => made(market, client));
    await market.db.$executeRaw`VACUUM ANALYZE "Offer", "OfferStale", "HostNode", "Gpu"`;
    await searchTimes(client, 100);
    const still = await searchTimes(client, searches);
    const stop = changing(market.db, changes);
    const moving = await searchTimes(client, searches).finally(stop);
    const mixed = await mixedReads(market, client);
    const [{ count } = { count: 0n }] = await market.db.$queryRaw<{ count: bigint }[]>`SELECT count(*) FROM "Offer"`;
    results.push({
      offers: Number(count), made_s: round(madeMs / 1_000), search_p50_ms: percentile(still, 0.5), search_p99_ms: percentile(still, 0.99),
      changing_p50_ms: percentile(moving, 0.5), changing_p99_ms: percentile(moving, 0.99), mixed_reads_per_s: mixed.perS, mixed_reads_per_core_s: mixed.perCoreS,
    });
  }
  return { bench: 'search', searches, side, changes_per_s: changes, results, conditions };
  // Machines that are rows and never beat: nothing may find them silent.
}, { MUSTER_ROLES: 'api' });
console.log(JSON.stringify(line));
