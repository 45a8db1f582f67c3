import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_PRICING } from '../../fleet/pricing.rules.js';
import { has, misfit, type Need, type NodeTraits } from './need.rules.js';
import { afterError, afterValid, FRESH, slotsOf } from './node-form.rules.js';
import { Pool, room, weightOf, type Supply } from './pool.rules.js';
import { plan, type Turn, type WaitingCopy } from './schedule.rules.js';
import { Weights } from './weights.rules.js';

const NEED: Need = {
  cpuCores: 1, memoryMb: 512, diskGb: 1, numGpus: 0, gpuRamMb: 0, gpuName: null, capabilities: [], geolocation: null, minReputation: 0, image: 'workspace', outputs: false, network: 'none',
};

function traits(id: string, over: Partial<NodeTraits> = {}): NodeTraits {
  return {
    id, ownerId: `owner-${id}`, transport: 'socket', cpuTotal: 8, ramMbTotal: 16_384, diskGbTotal: 100, gpus: [], cudaMaxGood: null, capabilities: new Set(), images: new Set(),
    country: null, pricing: DEFAULT_PRICING, ...over,
  };
}

function supply(id: string, over: Partial<Supply> & { of?: Partial<NodeTraits> } = {}): Supply {
  const { of: own, ...rest } = over;
  const node = traits(id, own);
  return {
    traits: node, reputation: 100, speed: 1, slots: Infinity, freeGpuIds: new Set(node.gpus.filter((gpu) => gpu.free).map((gpu) => gpu.id)),
    ...rest, free: { ...(rest.free ?? { cpuCores: node.cpuTotal, memoryMb: node.ramMbTotal, diskGb: node.diskGbTotal }) },
  };
}

const poolOf = (supplies: readonly Supply[], need: Need = NEED): Pool => new Pool(need, supplies.map((one) => ({ supply: one, rateMicroHour: 10n })));
const copiesOf = (job: string, tasks: number, perTask = 1, held: readonly string[] = []): WaitingCopy[] =>
  Array.from({ length: tasks * perTask }, (_, i) => ({ id: `${job}-${i}`, taskId: `${job}-task-${Math.floor(i / perTask)}`, pinnedNodeId: null, heldKeys: held, soured: [] }));
const turn = (jobId: string, pool: Pool, copies: readonly WaitingCopy[], distinctBy: 'owner' | 'node' = 'owner'): Turn => ({ jobId, distinctBy, pool, copies });

/** Chance that can be repeated. */
function chance(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('what a machine can run', () => {
  const gpu = (id: string, gpuRamMb: number, name = 'RTX 4090') => ({ id, uuid: id, name, gpuRamMb, free: true });
  it.each<[string, Partial<NodeTraits>, Partial<Need>, string | undefined]>([
    ['all that is asked for', {}, {}, undefined],
    ['too few cores', { cpuTotal: 2 }, { cpuCores: 4 }, 'cpu'],
    ['too little memory', { ramMbTotal: 256 }, {}, 'memory'],
    ['too little disk', { diskGbTotal: 5 }, { diskGb: 10 }, 'disk'],
    ['no device', {}, { numGpus: 1 }, 'gpus'],
    ['a device of another name', { gpus: [gpu('g', 24_000)] }, { numGpus: 1, gpuName: 'H100' }, 'gpus'],
    ['a device named in another case', { gpus: [gpu('g', 24_000)] }, { numGpus: 1, gpuName: 'rtx 4090' }, undefined],
    ['one of two devices with the memory', { gpus: [gpu('g', 24_000), gpu('h', 8_000)] }, { numGpus: 2, gpuRamMb: 20_000 }, 'gpu_ram'],
    ['another country', { country: 'FR' }, { geolocation: 'DE' }, 'region'],
    ['only HTTP, for a job with a folder as its result', { transport: 'http' }, { outputs: true }, 'plain_http'],
    ['only HTTP, with other images', { transport: 'http', images: new Set(['other']) }, {}, 'capability'],
    ['an agent, which pulls what is not there', { images: new Set(['other']) }, {}, undefined],
    ['a word that it does not declare', {}, { capabilities: ['model:llama-3-8b'] }, 'capability'],
    ['a word that it declares', { capabilities: new Set(['runtime:gvisor']) }, { capabilities: ['runtime:gvisor'] }, undefined],
  ])('%s', (_what, own, wanted, lacks) => {
    expect(misfit(traits('a', own), { ...NEED, ...wanted })).toBe(lacks);
  });

  it.each<[string, boolean]>([
    ['cuda>=12', true], ['cuda>=12.8', true], ['cuda>=12.9', false], ['cuda>=13', false], ['cuda=12', true], ['cuda=12.8', true], ['cuda=12.4', false], ['cuda>12', false], ['cuda>11', true],
    ['cuda<13', true], ['cuda<=12', true], ['cuda', true], ['CUDA>=12', true], ['rocm>=6', true], ['rocm>=7', false], ['image:here', true], ['image:there', false], ['fast-disk', true],
  ])('%s on CUDA 12.8 and ROCm 6.1: %s', (wanted, expected) => {
    expect(has({ cudaMaxGood: 1208, capabilities: new Set(['rocm=6.1', 'fast-disk']), images: new Set(['here']) }, wanted)).toBe(expected);
  });
});

describe('a plan', () => {
  const nodes = fc.uniqueArray(
    fc.record({ id: fc.nat(30), owner: fc.nat(6), cpu: fc.integer({ min: 1, max: 6 }), ram: fc.integer({ min: 256, max: 4_096 }), gpus: fc.nat(3), reputation: fc.nat(200), slots: fc.nat(8) }),
    { selector: (one) => one.id, maxLength: 12 },
  ).map((all) => all.map(({ id, owner, cpu, ram, gpus, reputation, slots }) => supply(`n${id}`, {
    reputation, slots,
    of: { ownerId: `o${owner}`, cpuTotal: cpu, ramMbTotal: ram, gpus: Array.from({ length: gpus }, (_, i) => ({ id: `n${id}g${i}`, uuid: `n${id}g${i}`, name: 'X', gpuRamMb: 8_000, free: true })) },
  })));
  const jobs = fc.array(fc.record({ tasks: fc.nat(6), perTask: fc.integer({ min: 1, max: 4 }), cpu: fc.integer({ min: 1, max: 3 }), ram: fc.integer({ min: 128, max: 2_048 }), gpus: fc.nat(2), by: fc.constantFrom<'owner' | 'node'>('owner', 'node') }), { maxLength: 5 });

  it('never promises more than is free, and never two copies of a task to one owner or node', () => {
    fc.assert(fc.property(nodes, jobs, fc.nat(), (supplies, wanted, seed) => {
      const before = new Map(supplies.map((one) => [one.traits.id, { ...one.free, slots: one.slots, gpus: new Set(one.freeGpuIds) }]));
      const turns = wanted.map((job, i) => {
        const need = { ...NEED, cpuCores: job.cpu, memoryMb: job.ram, numGpus: job.gpus };
        return turn(`j${i}`, poolOf(supplies, need), copiesOf(`j${i}`, job.tasks, job.perTask), job.by);
      });
      const { assignments } = plan(turns, chance(seed));
      const needs = new Map(turns.map((one) => [one.jobId, one.pool.need]));
      for (const [id, had] of before) {
        const own = assignments.filter((one) => one.nodeId === id);
        const used = (of: (need: Need) => number): number => own.reduce((sum, one) => sum + of(needs.get(one.jobId) as Need), 0);
        expect(used((need) => need.cpuCores)).toBeLessThanOrEqual(had.cpuCores);
        expect(used((need) => need.memoryMb)).toBeLessThanOrEqual(had.memoryMb);
        expect(own.length).toBeLessThanOrEqual(had.slots);
        const devices = own.flatMap((one) => one.gpuIds);
        expect(new Set(devices).size).toBe(devices.length);
        for (const device of devices) expect(had.gpus.has(device)).toBe(true);
        expect(devices.length).toBe(used((need) => need.numGpus));
      }
      const keys = assignments.map((one) => `${one.taskId} ${one.distinctKey}`);
      expect(new Set(keys).size).toBe(keys.length);
      expect(new Set(assignments.map((one) => one.copyId)).size).toBe(assignments.length);
    }));
  });

  it('leaves nothing waiting that could run', () => {
    fc.assert(fc.property(nodes, jobs, fc.nat(), (supplies, wanted, seed) => {
      const turns = wanted.map((job, i) => turn(`j${i}`, poolOf(supplies, { ...NEED, cpuCores: job.cpu, memoryMb: job.ram }), copiesOf(`j${i}`, job.tasks, job.perTask), job.by));
      const { assignments, left } = plan(turns, chance(seed));
      for (const one of turns) {
        const placed = new Set(assignments.filter((each) => each.jobId === one.jobId).map((each) => each.copyId));
        expect(left.get(one.jobId)?.copies).toBe(one.copies.length - placed.size);
        for (const copy of one.copies.filter((each) => !placed.has(each.id))) {
          const held = new Set(assignments.filter((each) => each.taskId === copy.taskId).map((each) => each.distinctKey));
          const takers = supplies.filter((each) => room(each, one.pool.need) > 0 && !held.has(one.distinctBy === 'owner' ? each.traits.ownerId : each.traits.id));
          expect(takers).toEqual([]);
        }
      }
    }));
  });

  it('serves jobs in turns: the long one delays nobody, and one that fits nowhere holds up none', () => {
    const supplies = [supply('a', { of: { cpuTotal: 5 } }), supply('b', { of: { cpuTotal: 5 } })];
    const pool = poolOf(supplies);
    const impossible = poolOf([], { ...NEED, cpuCores: 500 });
    const { assignments, left } = plan([turn('none', impossible, copiesOf('none', 50)), turn('long', pool, copiesOf('long', 1_000)), turn('short', pool, copiesOf('short', 5))], chance(7));
    expect(assignments.filter((one) => one.jobId === 'short')).toHaveLength(5);
    expect(assignments.filter((one) => one.jobId === 'long')).toHaveLength(5);
    expect(left.get('none')).toEqual({ copies: 50, blockedByKeys: 0 });
  });

  it('gives newcomers work beside those of the best name, and more to the better, freer and faster', () => {
    const shares = (one: Partial<Supply>, other: Partial<Supply>): number => {
      let got = 0;
      const random = chance(11);
      for (let i = 0; i < 2_000; i += 1) got += plan([turn('j', poolOf([supply('one', one), supply('other', other)]), copiesOf(`j${i}`, 1))], random).assignments[0]?.nodeId === 'one' ? 1 : 0;
      return got / 2_000;
    };
    expect(shares({ reputation: 100 }, { reputation: 200 })).toBeCloseTo(1 / 3, 1);
    expect(shares({ reputation: 0 }, { reputation: 200 })).toBeGreaterThan(0.01);
    expect(shares({ speed: 2 }, {})).toBeCloseTo(2 / 3, 1);
    expect(shares({ free: { cpuCores: 2, memoryMb: 16_384, diskGb: 100 } }, {})).toBeCloseTo(0.2, 1);
  });

  it('keeps off who lost this very task, unless nobody else can have it', () => {
    const soured = (copies: WaitingCopy[]) => copies.map((copy) => ({ ...copy, soured: ['a'] }));
    for (let seed = 1; seed < 50; seed += 1) {
      expect(plan([turn('j', poolOf([supply('a'), supply('b')]), soured(copiesOf('j', 1)))], chance(seed)).assignments[0]?.nodeId).toBe('b');
      expect(plan([turn('j', poolOf([supply('a')]), soured(copiesOf('j', 1)))], chance(seed)).assignments[0]?.nodeId).toBe('a');
    }
  });

  it('says which copies only wait for other owners', () => {
    const one = [supply('a', { of: { ownerId: 'me' } }), supply('b', { of: { ownerId: 'me' } })];
    expect(plan([turn('j', poolOf(one), copiesOf('j', 1, 3))], chance(1)).left.get('j')).toEqual({ copies: 2, blockedByKeys: 2 });
    expect(plan([turn('j', poolOf(one), copiesOf('j', 1, 3), 'node')], chance(1)).left.get('j')).toEqual({ copies: 1, blockedByKeys: 1 });
    expect(plan([turn('j', poolOf(one), copiesOf('j', 1, 1, ['me']))], chance(1)).assignments).toEqual([]);
  });

  it('sends a second run to the node of the first', () => {
    const copies = copiesOf('j', 1).map((copy) => ({ ...copy, pinnedNodeId: 'b', heldKeys: ['owner-a', 'owner-b'] }));
    expect(plan([turn('j', poolOf([supply('a'), supply('b')]), copies)], chance(3)).assignments).toMatchObject([{ nodeId: 'b' }]);
  });

  it('asks no node below the reputation that the job wants', () => {
    expect(weightOf(supply('a', { reputation: 49 }), { ...NEED, minReputation: 50 })).toBe(0);
    expect(weightOf(supply('a', { reputation: 50 }), { ...NEED, minReputation: 50 })).toBeGreaterThan(0);
  });
});

it('weights are drawn by their share, whatever was changed before', () => {
  fc.assert(fc.property(fc.array(fc.nat(5), { minLength: 1, maxLength: 40 }), fc.array(fc.tuple(fc.nat(39), fc.nat(5))), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (start, changes, random) => {
    const weights = new Weights(start);
    const plain = [...start];
    for (const [index, weight] of changes.filter(([index]) => index < start.length)) {
      weights.set(index, weight);
      plain[index] = weight;
    }
    const total = plain.reduce((sum, weight) => sum + weight, 0);
    let mark = random * total;
    const expected = total === 0 ? undefined : plain.findIndex((weight) => (mark -= weight) < 0);
    expect(weights.draw(random)).toBe(expected);
    expect(weights.empty).toBe(total === 0);
  }));
});

describe('a node after errors of its own', () => {
  it('rests, gets one at a time, and twice as many with every ten that are right', () => {
    let form = afterError(FRESH, 1_000);
    expect([slotsOf(form, 0, 1_500), slotsOf(form, 0, 2_000), slotsOf(form, 1, 2_000)]).toEqual([0, 1, 0]);
    form = afterError(form, 2_000);
    expect(slotsOf(form, 0, 3_999)).toBe(0);
    for (let i = 0; i < 10; i += 1) form = afterValid(form, undefined);
    expect(slotsOf(form, 0, 10_000)).toBe(2);
    for (let i = 0; i < 50; i += 1) form = afterValid(form, undefined);
    expect(slotsOf(form, 5, 10_000)).toBe(Infinity);
  });

  it('is as fast as it was beside others', () => {
    let form = FRESH;
    for (let i = 0; i < 50; i += 1) form = afterValid(form, 2);
    expect(form.speed).toBeCloseTo(2, 2);
  });
});
