import { availableParallelism, totalmem } from 'node:os';
import type { Machine } from './share.rules.js';

const MIB = 2 ** 20;

/** CPUs and memory that this process may use: a cgroup around it counts. */
export function localMachine(): Machine {
  const limit = process.constrainedMemory();
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return { cpus: availableParallelism(), ramMb: Math.floor(bytes / MIB) };
}
