import { randomBytes } from 'node:crypto';
import type { PrismaClient } from '@muster/prisma';
import { newId } from '../src/platform/ids.js';
import { post } from '../src/ledger/ledger.js';
import { PAYMENTS_IN, prepaidOf } from '../src/ledger/ledger.rules.js';

/** Rows of a market, written straight into Postgres where the way to them is not what a test is about. */

export async function makeUser(db: PrismaClient, prepaidMicro = 0n, at = new Date()): Promise<string> {
  const id = newId();
  await db.user.create({ data: { id, email: `${id}@example.com`, passwordHash: 'none' } });
  if (prepaidMicro > 0n) await fund(db, id, prepaidMicro, at);
  return id;
}

export async function fund(db: PrismaClient, userId: string, amountMicro: bigint, at = new Date()): Promise<void> {
  const transfer = { id: newId(), from: PAYMENTS_IN, to: prepaidOf(userId), amountMicro, kind: 'grant' as const, referenceId: null, memo: '' };
  await db.$transaction((tx) => post(tx, [transfer], at));
}

export interface NodeWish {
  ownerId: string;
  cpu?: number;
  ramMb?: number;
  diskGb?: number;
  gpus?: number;
  gpuName?: string;
  minChunk?: number;
  tunnelServerId?: string;
  pricing?: Record<string, string>;
}

export const RAW_PRICING = {
  gpu_dph: '0.400000', cpu_core_dph: '0.010000', ram_gib_dph: '0.005000', storage_cost: '0.100000', inet_up_cost: '0.000000', inet_down_cost: '0.000000',
};

/** A node on the market: verified, listed, online. */
export async function makeNode(db: PrismaClient, wish: NodeWish): Promise<string> {
  const id = newId();
  const cpu = wish.cpu ?? 8;
  const ramMb = wish.ramMb ?? 16_384;
  const diskGb = wish.diskGb ?? 80;
  const gpus = Array.from({ length: wish.gpus ?? 0 }, (_, index) => ({ uuid: `GPU-${randomBytes(8).toString('hex')}`, index, name: wish.gpuName ?? 'RTX 4090', gpu_ram_mb: 24_564, compute_cap: 890, state: 'ok' }));
  await db.hostNode.create({
    data: {
      id, ownerId: wish.ownerId, name: `node-${id.slice(-6)}`, publicKey: randomBytes(32).toString('base64url'),
      specs: { cpu_name: 'Test CPU', cpu_cores: cpu, cpu_ram_mb: ramMb, disk_gb: diskGb, isolation: 'basic', images: ['muster/workspace'], gpus, driver_version: null, cuda_max_good: null, preflight: [] },
      pricingConfig: { ...RAW_PRICING, ...wish.pricing }, status: 'online', lifecycle: 'verified', presence: 'online', listing: 'listed', minChunk: wish.minChunk ?? 1,
      cpuTotal: cpu, ramMbTotal: ramMb, diskGbTotal: diskGb, tunnelServerId: wish.tunnelServerId ?? null,
    },
  });
  if (gpus.length > 0) await db.gpu.createMany({ data: gpus.map((gpu) => ({ id: newId(), nodeId: id, uuid: gpu.uuid, index: gpu.index, name: gpu.name, gpuRamMb: gpu.gpu_ram_mb })) });
  return id;
}

export interface RentalWish {
  renterId: string;
  nodeId: string;
  rateMicroHour: bigint;
  startTime: Date;
  runUntil?: Date | null;
  maxSpendMicro?: bigint | null;
}

/** A rental that runs since `startTime`, with the least of everything that its row needs. */
export async function makeRunningRental(db: PrismaClient, wish: RentalWish): Promise<string> {
  const id = newId();
  await db.$transaction([
    db.hostNode.update({ where: { id: wish.nodeId }, data: { cpuUsed: { increment: 1 }, ramMbUsed: { increment: 128 }, diskGbUsed: { increment: 1 } } }),
    db.rental.create({
      data: {
        id, renterId: wish.renterId, nodeId: wish.nodeId, status: 'running', startTime: wish.startTime, billedThrough: wish.startTime, createdAt: wish.startTime,
        costPerHour: Number(wish.rateMicroHour) / 1e6, rateMicroHour: wish.rateMicroHour, runUntil: wish.runUntil ?? null, maxSpendMicro: wish.maxSpendMicro ?? null,
        offerId: `${wish.nodeId}.c1`, templateSlug: 'workspace', image: 'muster/workspace', numGpus: 0, cpuCores: 1, ramMb: 128, diskGb: 1,
        specHash: '0'.repeat(64), spec: {}, priceParts: [], sealedSecrets: new Uint8Array(),
      },
    }),
  ]);
  return id;
}
