import { describe, expect, it } from 'vitest';
import { byPrice, isAfter, matches, type Candidate, type OfferQuery } from './query.rules.js';

const candidate = (id: string, totalMicroHour: bigint, over: Partial<Candidate['shape']> = {}): Candidate => ({
  shape: { id, nodeId: 'n', gpuName: null, numGpus: 0, cpuCores: 2, ramMb: 4_096, diskGb: 10, ...over },
  totalMicroHour,
  reliability: 0.9,
});
const all: OfferQuery = { maxMicroHour: null, gpu: null, numGpus: null, minCpuCores: null, minRamMb: null, minReliability: null };

describe('filters', () => {
  const gpu = candidate('a', 100n, { gpuName: 'RTX 4090', numGpus: 2 });
  it.each([
    [{}, true],
    [{ maxMicroHour: 100n }, true],
    [{ maxMicroHour: 99n }, false],
    [{ gpu: '4090' }, true],
    [{ gpu: 'rtx-4090' }, true],
    [{ gpu: 'H100' }, false],
    [{ numGpus: 2 }, true],
    [{ numGpus: 0 }, false],
    [{ minCpuCores: 3 }, false],
    [{ minRamMb: 4_096 }, true],
    [{ minReliability: 0.91 }, false],
  ])('%o', (query, expected) => expect(matches({ ...all, ...query }, gpu)).toBe(expected));
  it('finds no CPU offer by the name of a GPU', () => expect(matches({ ...all, gpu: '4090' }, candidate('a', 1n))).toBe(false));
});

it('pages by price and id without overlap', () => {
  const sorted = [candidate('b', 5n), candidate('a', 5n), candidate('c', 1n)].sort(byPrice);
  expect(sorted.map((one) => one.shape.id)).toEqual(['c', 'a', 'b']);
  expect(sorted.filter((one) => isAfter(one, ['5', 'a'])).map((one) => one.shape.id)).toEqual(['b']);
  expect(sorted.filter((one) => isAfter(one, undefined))).toHaveLength(3);
});
