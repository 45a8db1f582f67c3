/**
 * Racing requests for chunks of 1, 2, 4 and 8 GPUs, by the claim that `rent` makes: node row locked, devices claimed on
 * their own rows. Each winner holds its devices for a while and releases them, so room comes and goes all the time.
 * Counts double claims, and refusals while a fitting node had room. Prints one JSON line; fails when either is not 0.
 */
import { randomUUID } from 'node:crypto';
import type { Prisma, PrismaClient } from '@muster/prisma';
import { shapeById } from '@muster/backend/market/offer.rules';
import { claimGpus, lockNode, releaseCapacity, takeCapacity } from '@muster/backend/rentals/claim.store';
import { conditions, numbers, percentile, withOwnPostgres } from './own-postgres.js';

const sizes = numbers({ requests: 3_000, nodes: 13, gpus: 8, racing: 24, hold: 4 });
const CHUNKS = [1, 2, 4, 8];
const MODEL = 'RTX 4090';

type Tx = Prisma.TransactionClient;
interface Claim {
  rentalId: string;
  nodeId: string;
  chunk: number;
  uuids: string[];
}

const holders = new Map<string, string>();
const waitMs: number[] = [];
let doubleClaims = 0;
let wrongRefusals = 0;
let granted = 0;
let refused = 0;
let lookAgain = 0;

async function makeMarket(db: PrismaClient): Promise<string> {
  const userId = randomUUID();
  await db.user.create({ data: { id: userId, email: 'bench@example.com', passwordHash: 'none' } });
  for (let n = 0; n < sizes.nodes; n += 1) {
    const id = randomUUID();
    await db.hostNode.create({
      data: {
        id, ownerId: userId, name: `node-${n}`, publicKey: id, specs: {}, pricingConfig: {}, status: 'online', lifecycle: 'verified', presence: 'online', listing: 'listed',
        cpuTotal: sizes.gpus * 4, ramMbTotal: sizes.gpus * 8_192, diskGbTotal: sizes.gpus * 100,
        gpus: { create: Array.from({ length: sizes.gpus }, (_, index) => ({ id: randomUUID(), uuid: `GPU-${n}-${index}`, index, name: MODEL, gpuRamMb: 24_564 })) },
      },
    });
  }
  return userId;
}

/** Nodes that have room for the chunk now, the fullest first. */
async function fitting(db: PrismaClient | Tx, chunk: number): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT "nodeId" AS id FROM "Gpu" WHERE "rentalId" IS NULL AND state = 'ok' GROUP BY 1 HAVING count(*) >= ${chunk} ORDER BY count(*), random()`;
  return rows.map((row) => row.id);
}

async function claimOn(tx: Tx, nodeId: string, chunk: number, renterId: string): Promise<Claim | undefined> {
  const node = await lockNode(tx, nodeId);
  if (!node) throw new Error('no node');
  const shape = shapeById(node.capacity, `${nodeId}.g${chunk}.rtx-4090`);
  const free = node.capacity.gpus.filter((gpu) => gpu.free).length;
  if (!shape) {
    if (free >= chunk) wrongRefusals += 1;
    return undefined;
  }
  const rentalId = randomUUID();
  await tx.rental.create({
    data: {
      id: rentalId, renterId, nodeId, costPerHour: 1, offerId: shape.id, templateSlug: 'workspace', image: 'x', numGpus: chunk, cpuCores: shape.cpuCores,
      ramMb: shape.ramMb, diskGb: 1, specHash: '', spec: {}, sealedSecrets: new Uint8Array(), rateMicroHour: 1n, priceParts: [],
    },
  });
  const gpus = await claimGpus(tx, { nodeId, rentalId, gpuName: MODEL, count: chunk });
  if (!gpus) throw new Error('fewer devices than the locked node has');
  await takeCapacity(tx, nodeId, { ...shape, diskGb: 1 });
  return { rentalId, nodeId, chunk, uuids: gpus.map((gpu) => gpu.uuid) };
}

async function request(db: PrismaClient, chunk: number, renterId: string): Promise<Claim | undefined> {
  const began = performance.now();
  for (;;) {
    const nodes = await fitting(db, chunk);
    for (const nodeId of nodes) {
      const claim = await db.$transaction((tx) => claimOn(tx, nodeId, chunk, renterId), { timeout: 60_000, maxWait: 60_000 });
      if (!claim) continue;
      note(claim);
      waitMs.push(performance.now() - began);
      return claim;
    }
    // Refused only when one view of the whole market had no node with room.
    if (nodes.length === 0) return undefined;
    lookAgain += 1;
  }
}

function note(claim: Claim): void {
  for (const uuid of claim.uuids) {
    if (holders.has(uuid)) doubleClaims += 1;
    holders.set(uuid, claim.rentalId);
  }
}

async function release(db: PrismaClient, claim: Claim): Promise<void> {
  // First here, then there: a device that is free in the database is never still held in this book.
  for (const uuid of claim.uuids) holders.delete(uuid);
  await db.$transaction(
    async (tx) => {
      const node = await lockNode(tx, claim.nodeId);
      const shape = await tx.rental.update({ where: { id: claim.rentalId }, data: { status: 'ended', releasedAt: new Date() } });
      if (node) await releaseCapacity(tx, claim.rentalId, claim.nodeId, shape);
    },
    { timeout: 60_000, maxWait: 60_000 },
  );
}

async function racer(db: PrismaClient, renterId: string, queue: number[]): Promise<void> {
  const held: Claim[] = [];
  for (let chunk = queue.pop(); chunk !== undefined; chunk = queue.pop()) {
    const claim = await request(db, chunk, renterId);
    if (claim) held.push(claim);
    granted += claim ? 1 : 0;
    refused += claim ? 0 : 1;
    const oldest = held.length > sizes.hold || !claim ? held.shift() : undefined;
    if (oldest) await release(db, oldest);
  }
  for (const claim of held) await release(db, claim);
}

const line = await withOwnPostgres(sizes.racing, async (db) => {
  const renterId = await makeMarket(db);
  const queue = Array.from({ length: sizes.requests }, (_, i) => CHUNKS[i % CHUNKS.length] ?? 1);
  const began = performance.now();
  await Promise.all(Array.from({ length: sizes.racing }, () => racer(db, renterId, queue)));
  const seconds = (performance.now() - began) / 1_000;
  const left = await db.gpu.count({ where: { rentalId: { not: null } } });
  return {
    bench: 'alloc-race', ...sizes, granted, refused, double_claims: doubleClaims, refusals_with_room: wrongRefusals, looked_again: lookAgain, still_claimed_at_end: left,
    requests_per_s: Math.round(sizes.requests / seconds), p50_ms: percentile(waitMs, 0.5), p99_ms: percentile(waitMs, 0.99), conditions,
  };
});
console.log(JSON.stringify(line));
process.exitCode = line.double_claims + line.refusals_with_room + line.still_claimed_at_end === 0 ? 0 : 1;
