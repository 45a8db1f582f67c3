import fc from 'fast-check';
import { OfferId } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import { gpuSlug, parseOfferId, powersOfTwo, shapeById, shapesOf, type NodeCapacity } from './offer.rules.js';

const NODE = '01890000-0000-7000-8000-000000000001';
const cpuNode: NodeCapacity = {
  nodeId: NODE, minChunk: 1, cpuTotal: 8, cpuUsed: 0, ramMbTotal: 16_384, ramMbUsed: 0, diskGbTotal: 80, diskGbUsed: 0, gpus: [],
};
const gpus = (free: number, held: number, name = 'RTX 4090') => [
  ...Array.from({ length: free }, () => ({ name, free: true })),
  ...Array.from({ length: held }, () => ({ name, free: false })),
];

describe('CPU offers', () => {
  it('come in powers of two with their share of RAM and disk', () => {
    expect(shapesOf(cpuNode).map((shape) => [shape.id, shape.cpuCores, shape.ramMb, shape.diskGb])).toEqual([
      [`${NODE}.c1`, 1, 2_048, 10],
      [`${NODE}.c2`, 2, 4_096, 20],
      [`${NODE}.c4`, 4, 8_192, 40],
      [`${NODE}.c8`, 8, 16_384, 80],
    ]);
  });
  it('are only what is free', () => {
    const half = { ...cpuNode, cpuUsed: 5, ramMbUsed: 10_240, diskGbUsed: 75 };
    expect(shapesOf(half).map((shape) => [shape.cpuCores, shape.diskGb])).toEqual([[1, 5], [2, 5]]);
    expect(shapesOf({ ...cpuNode, cpuUsed: 8 })).toEqual([]);
    expect(shapesOf({ ...cpuNode, diskGbUsed: 80 })).toEqual([]);
  });
});

describe('GPU offers', () => {
  it('an 8-GPU node is listed in chunks of 1, 2, 4 and 8', () => {
    const node = { ...cpuNode, gpus: gpus(8, 0) };
    expect(shapesOf(node).map((shape) => [shape.id, shape.numGpus, shape.cpuCores])).toEqual([
      [`${NODE}.g1.rtx-4090`, 1, 1],
      [`${NODE}.g2.rtx-4090`, 2, 2],
      [`${NODE}.g4.rtx-4090`, 4, 4],
      [`${NODE}.g8.rtx-4090`, 8, 8],
    ]);
  });
  it('have a vCPU at least, on machines with fewer of them than GPUs', () => {
    const rig = { ...cpuNode, cpuTotal: 2, gpus: gpus(8, 0) };
    expect(shapesOf(rig).map((shape) => [shape.numGpus, shape.cpuCores])).toEqual([[1, 1], [2, 1], [4, 1], [8, 2]]);
    expect(shapesOf({ ...rig, cpuUsed: 2, gpus: gpus(2, 6) })).toEqual([]);
  });
  it('keep to the smallest chunk and to the devices that are free, model by model', () => {
    const node = { ...cpuNode, cpuTotal: 16, minChunk: 2, gpus: [...gpus(3, 2), ...gpus(2, 0, 'H100 SXM')] };
    expect(shapesOf(node).map((shape) => shape.id)).toEqual([`${NODE}.g2.rtx-4090`, `${NODE}.g2.h100-sxm`]);
  });
  it('are found again by their id while they are free', () => {
    const node = { ...cpuNode, gpus: gpus(2, 0) };
    expect(shapeById(node, `${NODE}.g2.rtx-4090`)?.numGpus).toBe(2);
    expect(shapeById({ ...node, gpus: gpus(1, 1) }, `${NODE}.g2.rtx-4090`)).toBeUndefined();
  });
});

it('never offers what the machine does not have, whatever is used', () => {
  const node = fc.record({
    minChunk: fc.constantFrom(1, 2, 4), cpuTotal: fc.integer({ min: 1, max: 300 }), cpuUsed: fc.nat(300), ramMbTotal: fc.integer({ min: 1, max: 10 ** 6 }),
    ramMbUsed: fc.nat(10 ** 6), diskGbTotal: fc.nat(5_000), diskGbUsed: fc.nat(5_000),
    gpus: fc.array(fc.record({ name: fc.constantFrom('A', 'B b'), free: fc.boolean() }), { maxLength: 16 }),
  });
  fc.assert(
    fc.property(node, (drawn) => {
      const used = { cpuUsed: Math.min(drawn.cpuUsed, drawn.cpuTotal), ramMbUsed: Math.min(drawn.ramMbUsed, drawn.ramMbTotal), diskGbUsed: Math.min(drawn.diskGbUsed, drawn.diskGbTotal) };
      const capacity = { nodeId: NODE, ...drawn, ...used };
      for (const shape of shapesOf(capacity)) {
        expect(OfferId.safeParse(shape.id).success).toBe(true);
        expect(shape.cpuCores).toBeLessThanOrEqual(capacity.cpuTotal - capacity.cpuUsed);
        expect(shape.ramMb).toBeLessThanOrEqual(capacity.ramMbTotal - capacity.ramMbUsed);
        expect(shape.diskGb).toBeLessThanOrEqual(capacity.diskGbTotal - capacity.diskGbUsed);
        expect(shape.numGpus).toBeLessThanOrEqual(capacity.gpus.filter((gpu) => gpu.free && gpu.name === shape.gpuName).length);
      }
    }),
  );
});

it('takes ids apart', () => {
  expect(parseOfferId(`${NODE}.c4`)).toEqual({ nodeId: NODE, kind: 'cpu', cpuCores: 4 });
  expect(parseOfferId(`${NODE}.g2.h100-sxm`)).toEqual({ nodeId: NODE, kind: 'gpu', numGpus: 2, slug: 'h100-sxm' });
  expect(parseOfferId('x.c4')).toBeNull();
  expect(gpuSlug('H100 SXM5 80GB')).toBe('h100-sxm5-80gb');
  expect(gpuSlug('***')).toBe('gpu');
  expect(powersOfTwo(2, 9)).toEqual([2, 4, 8]);
});
