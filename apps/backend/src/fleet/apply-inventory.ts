import type { Inventory } from '@muster/shared-types';
import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { capacityOf, planGpus, tierOf, type GpuPlan } from './inventory.rules.js';
import { lifecycleAfterPreflight } from './node.rules.js';
import { failedChecks } from './preflight.rules.js';
import { refreshStatus } from './status.store.js';

/** Makes a node's row and its GPU rows follow the inventory. The node row is locked first, as every claim does. */
export async function applyInventory(tx: Tx, nodeId: string, inventory: Inventory): Promise<void> {
  await tx.$executeRaw`SELECT 1 FROM "HostNode" WHERE id = ${nodeId}::uuid FOR NO KEY UPDATE`;
  const node = await tx.hostNode.findUniqueOrThrow({
    where: { id: nodeId },
    select: { lifecycle: true, cpuUsed: true, ramMbUsed: true, diskGbUsed: true, gpus: { select: { uuid: true, rentalId: true, executionId: true } } },
  });
  await applyGpus(tx, nodeId, planGpus(node.gpus.map((gpu) => ({ uuid: gpu.uuid, heldBy: gpu.rentalId ?? gpu.executionId })), inventory));
  await tx.hostNode.update({
    where: { id: nodeId },
    data: {
      specs: inventory,
      tier: tierOf(inventory),
      lifecycle: lifecycleAfterPreflight(node.lifecycle, failedChecks(inventory).length === 0),
      ...capacityOf(inventory, node),
    },
  });
  await refreshStatus(tx, [nodeId]);
}

async function applyGpus(tx: Tx, nodeId: string, plan: GpuPlan): Promise<void> {
  for (const gpu of plan.upsert) {
    await tx.gpu.upsert({ where: { nodeId_uuid: { nodeId, uuid: gpu.uuid } }, create: { id: newId(), nodeId, ...gpu }, update: gpu });
  }
  if (plan.lose.length > 0) await tx.gpu.updateMany({ where: { nodeId, uuid: { in: plan.lose } }, data: { state: 'lost' } });
  if (plan.drop.length > 0) await tx.gpu.deleteMany({ where: { nodeId, uuid: { in: plan.drop }, rentalId: null, executionId: null } });
}
