import fc from 'fast-check';
import { fieldOf, QUERY_FIELD_NAMES, type Clause, type Offer, type QueryOp } from '@muster/shared-types';

const PLAIN: Offer = {
  id: '01890000-0000-7000-8000-000000000001.c1', node_id: '01890000-0000-7000-8000-000000000001', node_name: 'node', num_gpus: 0, gpu_name: null, gpu_ram_mb: 0,
  compute_cap: null, cuda_max_good: null, driver_version: null, cpu_name: 'Test CPU', cpu_arch: 'x64', cpu_cores: 1, cpu_ram_mb: 2_048, disk_space: 10, dph_total: '0.021369',
  dph_base: '0.020000', storage_cost: '0.100000', inet_up_cost: '0.000000', inet_down_cost: '0.000000', default_disk_gb: 10, reliability: 1, reputation: 100, geolocation: null,
  isolation: 'basic', tier: 'cpu', own_node: false, images: [],
};

export const offer = (over: Partial<Offer> = {}): Offer => ({ ...PLAIN, ...over });

const decimal = fc.oneof(
  fc.integer({ min: -2, max: 30 }).map(String),
  fc.constantFrom('0.5', '0.98', '1.5', '0.02', '24564', '890', '100', '0.0213695', '65536'),
  fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: 1, max: 9 })).map(([whole, fraction]) => `${whole}.${fraction}`),
);
const word = fc.oneof(
  fc.constantFrom('RTX 4090', 'rtx 4090', 'H100 SXM', 'DE', 'nl', 'x64', 'any', '', 'a"b\\c', 'node é', 'Test CPU'),
  fc.string({ maxLength: 12 }).map((text) => text.replaceAll('_', '-').replaceAll('\0', '')),
);
const version = fc.array(fc.integer({ min: 0, max: 600 }), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'));

/** Any clause that parses, of any field. */
export const anyClause: fc.Arbitrary<Clause> = fc.constantFrom(...QUERY_FIELD_NAMES).chain((field) => {
  const { kind, values } = fieldOf(field);
  const equal: QueryOp[] = ['=', '!='];
  const lists: QueryOp[] = kind === 'flag' ? [] : ['in', 'notin'];
  const sides: QueryOp[] = kind === 'number' || kind === 'version' ? ['<', '<=', '>', '>='] : [];
  const value: fc.Arbitrary<string | boolean> = kind === 'flag' ? fc.boolean() : kind === 'number' ? decimal : kind === 'version' ? version : values ? fc.constantFrom(...values) : word;
  return fc.constantFrom<QueryOp>(...equal, ...lists, ...sides, 'any').chain((op) => {
    const size = op === 'any' ? { minLength: 0, maxLength: 0 } : { minLength: 1, maxLength: op === 'in' || op === 'notin' ? 4 : 1 };
    return fc.array(value, size).map((chosen) => ({ field, op, values: chosen }));
  });
});
