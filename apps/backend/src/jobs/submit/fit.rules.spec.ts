import { describe, expect, it } from 'vitest';
import { DEFAULT_PRICING } from '../../fleet/pricing.rules.js';
import type { Need } from '../schedule/need.rules.js';
import type { NodeState } from '../schedule/nodes.store.js';
import { fitOf, fitWarnings, ratesOf, waitingFor } from './fit.rules.js';

const NEED: Need = { cpuCores: 1, memoryMb: 512, diskGb: 1, numGpus: 0, gpuRamMb: 0, gpuName: null, capabilities: [], geolocation: null, minReputation: 0, image: 'muster/workspace', outputs: false, network: 'none' };

interface Wish {
  owner?: string;
  cpu?: string;
  online?: boolean;
  used?: number;
  reputation?: number;
}

function node(name: string, { owner = name, cpu = '0.010000', online = true, used = 0, reputation = 100 }: Wish = {}): NodeState {
  return {
    traits: {
      id: name, ownerId: owner, transport: 'socket', cpuTotal: 4, ramMbTotal: 4_096, diskGbTotal: 10, gpus: [], cudaMaxGood: null, capabilities: new Set(), images: new Set(), country: null,
      pricing: { ...DEFAULT_PRICING, cpu_core_dph: cpu },
    },
    name, reputation, online, listed: true, cpuUsed: used, ramMbUsed: 0, diskGbUsed: 0,
  };
}
const TWO_OF_THREE: Parameters<typeof fitWarnings>[1] = { redundancy: 3, consensus: 2, maxCopies: 7, distinctBy: 'owner' };

describe('who fits', () => {
  it('is counted by node and by owner, at the cheapest price of each', () => {
    const fit = fitOf([node('a1', { owner: 'a', cpu: '0.030000' }), node('a2', { owner: 'a', cpu: '0.020000' }), node('b', { cpu: '0.010000' })], NEED);
    expect(ratesOf(fit, 'node').map((rate) => rate / 10_000n)).toEqual([1n, 2n, 3n]);
    expect(ratesOf(fit, 'owner').map((rate) => rate / 10_000n)).toEqual([1n, 2n]);
    expect([fit.nodesOnline, fit.ownersOnline, fit.nodesFreeNow]).toEqual([3, 2, 3]);
  });

  it('knows those who are away as ones who may come back, and those who are full as ones who may have room', () => {
    const fit = fitOf([node('a', { online: false }), node('b', { used: 4 }), node('c')], NEED);
    expect([fit.ratesByNode.length, fit.nodesOnline, fit.nodesFreeNow]).toEqual([3, 2, 1]);
  });
});

describe('what a job waits for', () => {
  const waits = (nodes: NodeState[], need: Partial<Need> = {}, policy: Partial<typeof TWO_OF_THREE> = {}) => waitingFor(fitOf(nodes, { ...NEED, ...need }), { ...TWO_OF_THREE, ...policy });

  it('is nothing with enough owners', () => {
    expect(waits([node('a'), node('b')])).toBeNull();
  });

  it('is another owner, with what to do', () => {
    const all = [node('a1', { owner: 'a' }), node('a2', { owner: 'a' })];
    expect(waits(all)).toEqual({
      code: 'too_few_owners',
      message: 'Needs 2 owners, 1 is there: add a machine of another owner, or submit with --redundancy 1 --consensus 1; on a market where one owner has all machines set MUSTER_DISTINCT_BY=node',
    });
    expect(waits(all, {}, { distinctBy: 'node' })).toBeNull();
  });

  it('names those who would do and are away', () => {
    expect(waits([node('a'), node('b', { online: false })])?.message).toMatch(/^Needs 2 owners, 1 is there \(1 more is offline or not listed\): /);
  });

  it('is a machine that has what is asked for, by what the others lack', () => {
    const wait = waits([node('a'), node('b'), node('c', { reputation: 10 })], { memoryMb: 8_192 });
    expect(wait).toEqual({ code: 'no_node_fits', message: 'No node fits: 3 lack 8192 MiB of memory. Ask for less, or add a machine that has it' });
    expect(waits([node('c', { reputation: 10 })], { minReputation: 50 })?.message).toContain('1 lacks a reputation of 50');
    expect(waits([])?.message).toContain('no verified node on this market yet');
  });

  it('is room, where all are busy', () => {
    expect(waits([node('a', { used: 4 }), node('b', { used: 4 })])?.code).toBe('all_busy');
  });
});

describe('warnings', () => {
  it('say what agreement does not prove, and that fewer fit than are wanted', () => {
    const fit = fitOf([node('a'), node('b')], NEED);
    expect(fitWarnings(fit, TWO_OF_THREE)).toEqual(['3 copies are wanted and 2 owners fit: the ones there are must agree']);
    expect(fitWarnings(fit, { ...TWO_OF_THREE, redundancy: 1, consensus: 1 })).toEqual(['One result is believed without a second one']);
    expect(fitWarnings(fit, { ...TWO_OF_THREE, redundancy: 2, distinctBy: 'node' })[0]).toMatch(/^Distinct nodes only/);
  });
});
