import { NodeTier } from '../enums.js';
import type { Offer } from '../entities/offer.js';

/** What can be asked of an offer besides its own fields: true of everything that is for rent. */
type Fact = string | number | boolean | null;

/**
 * How values of a field compare. `number`: exactly, as decimals. `text`: as a whole, whatever its case, `_` standing for a space.
 * `version`: `535.86.10`, number by number. `flag`: true or false.
 */
export type FieldKind = 'number' | 'text' | 'version' | 'flag';

export interface QueryField {
  kind: FieldKind;
  /** In words, with one unit per name; empty where there is none. */
  unit: string;
  about: string;
  /** Decimal places that count. */
  scale: number;
  /** The only values there are. */
  values?: readonly string[];
  /** The offer's own value; null where it has none. */
  of: (offer: Offer) => Fact;
}

const number = (unit: string, about: string, of: QueryField['of'], scale = 0): QueryField => ({ kind: 'number', unit, about, scale, of });
const money = (unit: string, about: string, of: QueryField['of']): QueryField => number(unit, about, of, 6);
const text = (about: string, of: QueryField['of'], values?: readonly string[]): QueryField => ({ kind: 'text', unit: '', about, scale: 0, of, ...(values && { values }) });
const flag = (about: string, of: QueryField['of']): QueryField => ({ kind: 'flag', unit: '', about, scale: 0, of });

/** Everything a search can ask for: names and units of the field, one unit per name. */
export const QUERY_FIELDS = {
  num_gpus: number('', 'GPUs rented as one; 0 is a CPU offer', (offer) => offer.num_gpus),
  gpu_name: text('model, as NVML says it without NVIDIA or GeForce: RTX_4090, H100_SXM', (offer) => offer.gpu_name),
  gpu_ram_mb: number('MiB', 'memory of one GPU', (offer) => offer.gpu_ram_mb),
  gpu_total_ram_mb: number('MiB', 'memory of all GPUs of the offer', (offer) => offer.gpu_ram_mb * offer.num_gpus),
  compute_cap: number('×100', 'CUDA compute capability: 890 is 8.9', (offer) => offer.compute_cap),
  cuda_max_good: number('×100', 'newest CUDA that the driver runs: 1208 is 12.8', (offer) => offer.cuda_max_good),
  driver_version: { kind: 'version', unit: '', about: 'of the GPU driver', scale: 0, of: (offer) => offer.driver_version },
  cpu_name: text('processor', (offer) => offer.cpu_name),
  cpu_arch: text('x64 or arm64', (offer) => offer.cpu_arch),
  cpu_cores: number('vCPU', 'of the offer', (offer) => offer.cpu_cores),
  cpu_ram_mb: number('MiB', 'memory of the offer', (offer) => offer.cpu_ram_mb),
  disk_space: number('GB', 'most disk that can be rented with it', (offer) => offer.disk_space),
  dph_total: money('$/h', 'price with default_disk_gb of disk', (offer) => offer.dph_total),
  dph_base: money('$/h', 'price without disk', (offer) => offer.dph_base),
  storage_cost: money('$/GB/month', 'price of disk', (offer) => offer.storage_cost),
  inet_up_cost: money('$/GB', 'price of what it sends', (offer) => offer.inet_up_cost),
  inet_down_cost: money('$/GB', 'price of what it receives', (offer) => offer.inet_down_cost),
  reliability: number('0–1', 'measured over 30 days', (offer) => offer.reliability, 6),
  reputation: number('0–200', 'of the node, from jobs and uptime', (offer) => offer.reputation),
  geolocation: text('country, ISO 3166 alpha-2', (offer) => offer.geolocation),
  isolation: text('of instances from the host', (offer) => offer.isolation, ['basic', 'full']),
  tier: text('kind of machine', (offer) => offer.tier, NodeTier.options),
  node_id: text('the machine', (offer) => offer.node_id),
  node_name: text('name of the machine', (offer) => offer.node_name),
  own_node: flag('the machine is your own', (offer) => offer.own_node),
  rentable: flag('always true: only what is free is found', () => true),
  verified: flag('always true: only machines that passed their checks are found', () => true),
} as const satisfies Record<string, QueryField>;

export type QueryFieldName = keyof typeof QUERY_FIELDS;
export const QUERY_FIELD_NAMES = Object.keys(QUERY_FIELDS) as QueryFieldName[];
export const isQueryField = (name: string): name is QueryFieldName => Object.hasOwn(QUERY_FIELDS, name);
export const fieldOf = (name: QueryFieldName): QueryField => QUERY_FIELDS[name];
