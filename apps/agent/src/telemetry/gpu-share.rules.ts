import type { GpuSample, InstanceBeat } from '@muster/shared-types';

/** What an instance does with its GPUs, which are its alone: their mean load and all of their memory that is in use. */
export function gpuShare(samples: readonly GpuSample[], uuids: readonly string[]): Pick<InstanceBeat, 'gpu_utilization' | 'gpu_memory_used_mb'> {
  const own = samples.filter(({ uuid }) => uuids.includes(uuid));
  const loads = numbersOf(own.map(({ utilization }) => utilization));
  const memory = numbersOf(own.map(({ memory_used_mb }) => memory_used_mb));
  return {
    ...(loads.length > 0 && { gpu_utilization: sum(loads) / loads.length }),
    ...(memory.length > 0 && { gpu_memory_used_mb: sum(memory) }),
  };
}

const numbersOf = (values: readonly (number | null | undefined)[]): number[] => values.filter((value) => typeof value === 'number');
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
