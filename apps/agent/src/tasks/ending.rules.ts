import type { ExecutionFault } from '@muster/shared-types';

/** Why the agent itself ended a container. */
export type OrderedEnd = 'timeout' | 'cancelled' | 'output_too_large';

export interface Ending {
  /** Null when the container ended by itself. */
  ordered: OrderedEnd | null;
  exitCode: number;
  oomKilled: boolean;
  /** The engine's words when the command could not be started at all; else empty. */
  startError: string;
  durationMs: number;
  /** Standard output was longer than a result may be. */
  stdoutOver: boolean;
  /** The disk of the execution has no room left. */
  diskFull: boolean;
}

export interface Allowance {
  timeoutS: number;
  memoryMb: number;
  diskGb: number;
  resultBytes: number;
}

const blamed = (code: ExecutionFault['code'], message: string): ExecutionFault => ({ code, blame: 'job', message: message.slice(0, 2000) });

/** Why an execution that has ended has no result; null when it has one. Pure, and the order decides: the first reason that holds. */
export function faultOfEnding(ending: Ending, allowed: Allowance): ExecutionFault | null {
  const { ordered, exitCode } = ending;
  if (ordered === 'cancelled') return { code: 'cancelled', blame: 'node', message: 'It was cancelled.' };
  if (ending.startError !== '') return blamed('bad_image', `The command could not be started: ${ending.startError}`);
  if (ordered === 'output_too_large' || ending.stdoutOver) {
    return blamed('output_too_large', `Standard output is a result of at most ${allowed.resultBytes} bytes and this was longer. Larger results are files in /output.`);
  }
  if (ordered === 'timeout' || ending.durationMs > allowed.timeoutS * 1000) return blamed('timeout', `It ran longer than its ${allowed.timeoutS} s and was ended.`);
  if (exitCode === 0) return null;
  if (ending.oomKilled) return blamed('out_of_memory', `It used more than its ${allowed.memoryMb} MB of memory and was ended by the kernel (exit code ${exitCode}).`);
  if (ending.diskFull) return blamed('disk_full', `It ended with exit code ${exitCode}, with no room left on its disk of ${allowed.diskGb} GB.`);
  return blamed('exit_code', `It ended with exit code ${exitCode}${exitCode === 137 ? ', killed' : ''}.`);
}
