import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { newApiKeyRow } from '@muster/backend/identity/api-keys';
import type { PrismaClient } from '@muster/prisma';
import type { NodeCredentials } from './light-agent.js';

export interface NodeShape {
  owners: number;
  cpu: number;
  ramMb: number;
  diskGb: number;
  /** There from the start: a row that no enrolment made is else taken for away for up to a minute. */
  online: boolean;
}
export interface MadeNode extends NodeCredentials {
  ownerId: string;
}

const DEFAULT_SHAPE: NodeShape = { owners: 1, cpu: 16, ramMb: 65_536, diskGb: 500, online: false };

/** So many enrolled and listed nodes, spread over so many owners, as rows: enrolling each by its two calls would take minutes. */
export async function makeNodes(db: PrismaClient, count: number, over: Partial<NodeShape> = {}): Promise<MadeNode[]> {
  const shape = { ...DEFAULT_SHAPE, ...over };
  const owners = await Promise.all(Array.from({ length: shape.owners }, (_, n) => makeOwner(db, n)));
  const presence = shape.online ? ('online' as const) : ('offline' as const);
  const server = await db.tunnelServer.findFirst({ select: { id: true } });
  const nodes = Array.from({ length: count }, (_, n) => {
    const owner = owners[n % owners.length];
    if (!owner) throw new Error('no owner');
    return { nodeId: randomUUID(), ...owner, ...keyPair() };
  });
  const inventory = { hostname: 'bench', os: 'Debian GNU/Linux 12', kernel: '6', arch: 'x64', boot_id: 'bench', cpu_name: 'bench', cpu_cores: shape.cpu, cpu_ram_mb: shape.ramMb, disk_gb: shape.diskGb, gpus: [], driver_version: null, cuda_max_good: null, docker: { version: '20.10.24', api_version: '1.41', storage_driver: 'overlay2', userns: true, runc: '1.1.5' }, isolation: 'basic', images: ['muster/workspace'], capabilities: [], preflight: [], agent_version: 'bench' };
  for (let i = 0; i < nodes.length; i += 1_000) {
    await db.hostNode.createMany({
      data: nodes.slice(i, i + 1_000).map((node, offset) => ({
        id: node.nodeId, ownerId: node.ownerId, name: `bench-${i + offset}`, publicKey: node.publicKey, specs: inventory, pricingConfig: {}, status: presence,
        lifecycle: 'verified' as const, presence, listing: 'listed' as const, tunnelServerId: server?.id ?? null,
        cpuTotal: shape.cpu, ramMbTotal: shape.ramMb, diskGbTotal: shape.diskGb,
      })),
    });
  }
  return nodes;
}

async function makeOwner(db: PrismaClient, n: number): Promise<{ ownerId: string; hostKey: string }> {
  const ownerId = randomUUID();
  await db.user.create({ data: { id: ownerId, email: `owner-${n}-${ownerId}@example.com`, passwordHash: 'none' } });
  const made = newApiKeyRow(ownerId, { kind: 'host', name: 'bench', scopes: [] }, new Date());
  await db.apiKey.create({ data: made.row });
  return { ownerId, hostKey: made.key };
}

function keyPair(): { privateKey: KeyObject; publicKey: string } {
  const pair = generateKeyPairSync('ed25519');
  return { privateKey: pair.privateKey, publicKey: pair.publicKey.export({ format: 'jwk' }).x ?? '' };
}

/** Hex SHA-256. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
