import { LEASE_S, STOP_GRACE_S, type AbsentEntry, type InstanceSpec } from '@muster/shared-types';
import type { PrismaClient, Rental } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import type { MasterKey } from '../platform/master-key.js';
import { openSecrets } from './rental-secrets.js';
import { RentalConnection, RentalSpec } from './rental-spec.js';
import { WANTED } from './rental.rules.js';

export interface InstancesOfNode {
  instances: InstanceSpec[];
  /** Every rental that the node should not have and whose end it has not reported yet. */
  absent: AbsentEntry[];
}

/** What each of these nodes should run and should no longer have, secrets opened, remaining seconds counted from `now`. */
export async function instancesOfNodes(db: Tx | PrismaClient, master: MasterKey, nodeIds: readonly string[], now: Date): Promise<Map<string, InstancesOfNode>> {
  const rentals = await db.rental.findMany({ where: { nodeId: { in: [...nodeIds] }, releasedAt: null }, orderBy: { createdAt: 'asc' } });
  const byNode = new Map<string, Rental[]>(nodeIds.map((nodeId) => [nodeId, []]));
  for (const rental of rentals) byNode.get(rental.nodeId)?.push(rental);
  return new Map([...byNode].map(([nodeId, ofNode]) => [nodeId, instancesOf(ofNode, master, now)]));
}

function instancesOf(rentals: readonly Rental[], master: MasterKey, now: Date): InstancesOfNode {
  const wanted = rentals.filter((rental) => WANTED.includes(rental.status));
  return {
    instances: wanted.map((rental) => instanceSpec(rental, master, now)),
    absent: rentals.filter((rental) => !wanted.includes(rental)).map(absentEntry),
  };
}

function absentEntry(rental: Rental): AbsentEntry {
  return { rental_id: rental.id, epoch: rental.epoch, reason: rental.endReason ?? rental.status, grace_s: STOP_GRACE_S, keep_disk: rental.keepDisk };
}

function instanceSpec(rental: Rental, master: MasterKey, now: Date): InstanceSpec {
  const spec = RentalSpec.parse(rental.spec);
  const secrets = openSecrets(master, rental.sealedSecrets);
  return {
    rental_id: rental.id,
    image: rental.image,
    resource_limits: { gpu_indices: spec.gpu_indices, gpu_uuids: spec.gpu_uuids, cpu_cores: rental.cpuCores, ram_limit: `${rental.ramMb}m` },
    env_vars: { ...secrets.env, ...(secrets.jupyter_token === null ? {} : { JUPYTER_TOKEN: secrets.jupyter_token }) },
    proxy_port_mapping: RentalConnection.parse(rental.connectionInfo).ports,
    epoch: rental.epoch,
    spec_hash: rental.specHash,
    disk_gb: rental.diskGb,
    shm_mb: spec.shm_mb,
    ssh: secrets.ssh_host_key === null ? null : { authorized_keys: spec.authorized_keys, host_private_key: secrets.ssh_host_key },
    command: spec.command,
    onstart: spec.onstart,
    registry_auth: null,
    lease_s: LEASE_S,
    ...(rental.status === 'starting' && rental.storedSince !== null ? { disk_kept: true } : {}),
    remaining_s: rental.deadlineAt === null ? null : Math.max(0, (rental.deadlineAt.getTime() - now.getTime()) / 1_000),
  };
}
