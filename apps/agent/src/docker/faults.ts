import type { InstanceFault } from '@muster/shared-types';
import { CommandError } from './command.js';

type FaultCode = InstanceFault['code'];

export const fault = (code: FaultCode, message: string, exitCode?: number): InstanceFault => ({
  code,
  message: message.slice(0, 2000),
  ...(exitCode === undefined ? {} : { exit_code: exitCode }),
});

/** A fault on its way up to the engine's edge. */
export class FaultError extends Error {
  readonly fault: InstanceFault;
  constructor(code: FaultCode, message: string) {
    super(message);
    this.name = 'FaultError';
    this.fault = fault(code, message);
  }
}

/** Docker's own words of an answer; dockerode wraps them as `(HTTP code 404) no such image - …`. */
export function dockerWords(error: unknown): string {
  const body = (error as { json?: { message?: unknown } }).json?.message;
  if (typeof body === 'string') return body;
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^\(HTTP code \d+\) [^-]*- /, '').trim();
}

export const statusOf = (error: unknown): number | undefined => (error as { statusCode?: number }).statusCode;

const GONE = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE', 'ESOCKETTIMEDOUT', 'ETIMEDOUT', 'ENOTSOCK']);

/** The engine did not answer, as opposed to answering that something is wrong. */
export function isEngineDown(error: unknown): boolean {
  const { code, syscall } = error as { code?: string; syscall?: string };
  if (error instanceof Error && error.message === 'socket hang up') return true;
  // ENOENT also means a missing file; only the socket's own is a dead engine.
  return code !== undefined && GONE.has(code) && (code !== 'ENOENT' || syscall === 'connect');
}

const PATTERNS: readonly [RegExp, FaultCode, (words: string) => string][] = [
  [/no space left on device|disk quota exceeded|No space left/i, 'disk_full', () => 'The host has no disk space left for this instance.'],
  [/no such image/i, 'image_pull_failed', () => 'The image is not on this host (any more); it has to be pulled first.'],
  [/could not select device driver|nvidia-container-cli|unknown device|CDI device/i, 'gpu_unavailable', (words) => `The host could not attach the GPUs: ${words}`],
  [
    /executable file not found|no such file or directory: unknown|exec format error|permission denied: unknown|no command specified/i,
    'bad_spec',
    (words) => `The image's command could not be started: ${shortOci(words)}`,
  ],
  [/cgroup.*memory.*(busy|too small)|minimum memory limit/i, 'bad_spec', (words) => `The memory limit does not work with this image: ${shortOci(words)}`],
  [/containerd|shim|transport is closing|context deadline exceeded/i, 'engine_down', () => 'The host\'s container engine is being restarted.'],
];

/** runc's nested message without its outer layers. */
const shortOci = (words: string): string => words.replace(/^.*exec: |^.*?OCI runtime[^:]*: /s, '').replace(/: unknown$/, '').trim();

/** Any failure as a fault with words a person understands. */
export function faultOf(error: unknown): InstanceFault {
  if (error instanceof FaultError) return error.fault;
  if (isEngineDown(error)) return fault('engine_down', 'The host\'s container engine does not answer.');
  if (error instanceof RangeError) return fault('bad_spec', error.message);
  const words = error instanceof CommandError ? error.result.stderr || error.message : dockerWords(error);
  const match = PATTERNS.find(([pattern]) => pattern.test(words));
  return match ? fault(match[1], match[2](words)) : fault('internal', words);
}

/** Why a pull did not work. `ref` is shown; credentials never are. */
export function pullFault(ref: string, error: unknown): InstanceFault {
  if (error instanceof FaultError) return error.fault;
  if (isEngineDown(error)) return faultOf(error);
  const words = dockerWords(error);
  if (/no space left/i.test(words)) return fault('disk_full', `The host has no disk space left for the image ${ref}.`);
  return fault('image_pull_failed', `The image ${ref} could not be pulled: ${pullWords(words)}`);
}

function pullWords(words: string): string {
  if (/unauthorized|authentication required|denied/i.test(words)) return 'it does not exist or needs credentials (registry_auth).';
  if (/manifest unknown|not found|no such image/i.test(words)) return 'there is no such image or tag.';
  if (/no matching manifest/i.test(words)) return 'it has no version for this host\'s processor.';
  if (/invalid reference format/i.test(words)) return 'that is not a valid image reference.';
  if (/lookup|dial tcp|timeout|EOF|connection refused|TLS|x509|no route/i.test(words)) return `its registry could not be reached from this host (${words}).`;
  return words;
}

export interface Ending {
  exitCode: number;
  oomKilled: boolean;
  /** Docker's own error when it could not be started at all. */
  error: string;
  ranSeconds: number;
}

const AT_ONCE_S = 10;

/** Why an instance is not running any more. */
export function endingFault(ending: Ending): InstanceFault {
  if (ending.error !== '') return faultOf(new Error(ending.error));
  if (ending.oomKilled) return fault('out_of_memory', 'The instance used more memory than it rents and was ended by the kernel.', ending.exitCode);
  const how = `exit code ${ending.exitCode}${ending.exitCode === 137 ? ', killed' : ''}`;
  if (ending.ranSeconds < AT_ONCE_S) {
    return fault('exited_at_once', `The image's command ended ${ending.ranSeconds.toFixed(1)} s after it was started (${how}). An image for rent needs a command that keeps running.`, ending.exitCode);
  }
  return fault('exited', `The instance's main process ended (${how}).`, ending.exitCode);
}
