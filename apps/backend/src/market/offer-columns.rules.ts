import { folded, offerValue, type Comparable, type Offer, type QueryFieldName } from '@muster/shared-types';

/** Of the code that makes offers. Raise it when an offer of the same node would come out differently: all are then made anew. */
export const OFFER_VERSION = 1;

export interface Column {
  name: string;
  type: 'int' | 'bigint' | 'text' | 'int[]';
  /** A missing value is NULL (an empty list for a version). */
  nullable: boolean;
}

const column = (name: string, type: Column['type'], nullable = false): Column => ({ name, type, nullable });

/** Fields that every offer found has alike, or that depend on who asks, have no column. */
export type StoredField = Exclude<QueryFieldName, 'own_node' | 'rentable' | 'verified'>;

/** Where a field of the query language stands in the table of offers. */
export const COLUMN_OF: Record<StoredField, Column> = {
  num_gpus: column('numGpus', 'int'),
  gpu_name: column('gpuName', 'text', true),
  gpu_ram_mb: column('gpuRamMb', 'int'),
  gpu_total_ram_mb: column('gpuTotalRamMb', 'bigint'),
  compute_cap: column('computeCap', 'int', true),
  cuda_max_good: column('cudaMaxGood', 'int', true),
  driver_version: column('driverVersion', 'int[]', true),
  cpu_name: column('cpuName', 'text'),
  cpu_arch: column('cpuArch', 'text'),
  cpu_cores: column('cpuCores', 'int'),
  cpu_ram_mb: column('cpuRamMb', 'int'),
  disk_space: column('diskSpace', 'int'),
  dph_total: column('dphTotalMicro', 'bigint'),
  dph_base: column('dphBaseMicro', 'bigint'),
  storage_cost: column('storageCostMicro', 'bigint'),
  inet_up_cost: column('inetUpCostMicro', 'bigint'),
  inet_down_cost: column('inetDownCostMicro', 'bigint'),
  reliability: column('reliabilityPpm', 'int'),
  reputation: column('reputation', 'int'),
  geolocation: column('geolocation', 'text', true),
  isolation: column('isolation', 'text'),
  tier: column('tier', 'text'),
  node_id: column('nodeId', 'text'),
  node_name: column('nodeName', 'text'),
};
export const STORED_FIELDS = Object.keys(COLUMN_OF) as StoredField[];

/** One row of the table, as JSON that Postgres reads. */
export function rowOf(offer: Offer, ownerId: string): Record<string, unknown> {
  const { own_node: _whoAsks, ...view } = offer;
  const fields = STORED_FIELDS.map((field) => [COLUMN_OF[field].name, stored(offerValue(offer, field), COLUMN_OF[field])] as const);
  return { ...Object.fromEntries(fields), id: offer.id, ownerId, version: OFFER_VERSION, gpuPlain: offer.gpu_name === null ? null : plain(offer.gpu_name), view };
}

function stored(value: Comparable | null, { type }: Column): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value === null && type === 'int[]' ? [] : value;
}

/** A model as people name it: `4090` is in `RTX 4090`. */
export const plain = (name: string): string => folded(name).replaceAll(/[^a-z0-9]/g, '');
