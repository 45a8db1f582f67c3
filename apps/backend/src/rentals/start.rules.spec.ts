import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeCapacity } from '../market/offer.rules.js';
import { freeAt, shortagesOf, shortageWords, type Holder, type Needed } from './start.rules.js';

const gpu = (name: string, free: boolean) => ({ name, free });
const node = (over: Partial<NodeCapacity> = {}): NodeCapacity => ({
  nodeId: 'n', minChunk: 1, cpuTotal: 8, cpuUsed: 0, ramMbTotal: 16_384, ramMbUsed: 0, diskGbTotal: 100, diskGbUsed: 100,
  gpus: [gpu('RTX 4090', true), gpu('RTX 4090', false), gpu('H100 SXM', true)], ...over,
});
const needed: Needed = { numGpus: 1, gpuName: 'RTX 4090', cpuCores: 4, ramMb: 8_192 };
const holder = (endsAt: number | null, over: Partial<Holder> = {}): Holder => ({ numGpus: 1, gpuName: 'RTX 4090', cpuCores: 4, ramMb: 8_192, diskGb: 1, endsAt: endsAt === null ? null : new Date(endsAt), ...over });

describe('what a start lacks on its machine', () => {
  it.each<[string, Partial<Needed>, Partial<NodeCapacity>, string[]]>([
    ['nothing, its disk is there already', {}, {}, []],
    ['GPUs of its model, whatever else is free', { numGpus: 2 }, {}, ['gpus']],
    ['vCPU', {}, { cpuUsed: 5 }, ['cpu_cores']],
    ['RAM and vCPU', {}, { cpuUsed: 8, ramMbUsed: 16_384 }, ['cpu_cores', 'ram_mb']],
    ['nothing, where it needs no GPU', { numGpus: 0, gpuName: null }, { gpus: [] }, []],
  ])('%s', (_, want, has, lacks) => {
    expect(shortagesOf({ ...needed, ...want }, node(has)).map((one) => one.what)).toEqual(lacks);
  });

  it('is said in words', () => {
    expect(shortageWords(shortagesOf({ ...needed, numGpus: 2 }, node({ cpuUsed: 6, ramMbUsed: 10_000 })))).toBe('1 of 2 GPUs free, 2 of 4 vCPU free, 6 of 8 GiB RAM free');
  });
});

describe('when there may be room', () => {
  const shortages = shortagesOf(needed, node({ cpuUsed: 8, gpus: [] }));
  it('is when enough others must have ended', () => {
    expect(freeAt(shortages, needed, [holder(300, { gpuName: 'H100 SXM' }), holder(200, { numGpus: 0, gpuName: null }), holder(100, { cpuCores: 0 })])).toEqual(new Date(200));
    expect(freeAt(shortages, needed, [holder(100, { cpuCores: 1 }), holder(400, { numGpus: 0, gpuName: null, cpuCores: 3 })])).toEqual(new Date(400));
  });
  it('is not known where those who hold it need not end', () => {
    expect(freeAt(shortages, needed, [holder(null)])).toBeNull();
    expect(freeAt(shortages, needed, [])).toBeNull();
  });
  it('is never before enough is free, whoever holds what', () => {
    const drawn = fc.array(fc.record({ at: fc.option(fc.nat(1_000)), numGpus: fc.nat(2), cpuCores: fc.nat(4), ramMb: fc.nat(8_192) }), { maxLength: 6 });
    fc.assert(
      fc.property(drawn, (all) => {
        const holders = all.map(({ at, ...share }) => holder(at, share));
        const at = freeAt(shortages, needed, holders);
        const gone = holders.filter((one) => one.endsAt !== null && at !== null && one.endsAt <= at);
        if (at === null) return;
        expect(gone.reduce((sum, one) => sum + one.cpuCores, 0)).toBeGreaterThanOrEqual(4);
        expect(gone.reduce((sum, one) => sum + one.numGpus, 0)).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});
