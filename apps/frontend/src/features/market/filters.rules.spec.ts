import { describe, expect, it } from 'vitest';
import { chipsOf, NO_FILTERS, readFilters, searchOf, writeFilters } from './filters.rules';

describe('filters of the market', () => {
  it('the address and the filters say the same', () => {
    const filters = { ...NO_FILTERS, gpu: 'RTX 4090', gpus: '2', price: '0.50', reliability: '0.98' };
    expect(readFilters(new URLSearchParams(writeFilters(filters)))).toEqual(filters);
    expect(writeFilters(NO_FILTERS)).toBe('');
  });

  it('nonsense in the address is left out', () => {
    expect(readFilters(new URLSearchParams('?gpus=-1&cpu=0&ram=x&price=1e9&reliability=2&gpu=%3Cscript%3E'))).toEqual(NO_FILTERS);
  });

  it('asks in the units of the contract', () => {
    expect(searchOf({ ...NO_FILTERS, gpu: 'none', gpus: '4', cpu: '2', ram: '1.5' }).query).toEqual({ limit: 200, num_gpus: 0, min_cpu_cores: 2, min_ram_mb: 1536 });
  });

  it('chips are the query', () => expect(chipsOf({ ...NO_FILTERS, gpu: 'RTX 4090', price: '0.5' }).map(({ text }) => text)).toEqual(['gpu_name=RTX_4090', 'dph_total<=0.5']));
});
