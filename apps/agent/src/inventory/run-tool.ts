import { spawn } from 'node:child_process';

export type ToolRun =
  | { kind: 'done'; exitCode: number | null; stdout: string; stderr: string }
  | { kind: 'missing' }
  | { kind: 'timed_out' }
  | { kind: 'too_much_output' };

export interface ToolOptions {
  timeoutMs?: number;
  maxBytes?: number;
  /** Called when the process is really gone, which may be long after a `timed_out`: one that hangs in the kernel cannot be killed. */
  onExit?: () => void;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const MAX_BYTES = 8 * 2 ** 20;

/**
 * Runs a tool of the host in its own process group, without a shell and without input, and answers within `timeoutMs`
 * whatever the tool does. What is still running then is killed, its children too. Never throws.
 */
export function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolRun> {
  return new Promise((resolve) => {
    const child = spawn(command, [...args], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const out = { stdout: [] as Buffer[], stderr: [] as Buffer[], bytes: 0 };
    const finish = (run: ToolRun): void => {
      clearTimeout(timer);
      resolve(run);
    };
    const abandon = (run: ToolRun): void => {
      killGroup(child.pid);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      finish(run);
    };
    const timer = setTimeout(() => abandon({ kind: 'timed_out' }), options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Buffer) => {
        out[name].push(chunk);
        out.bytes += chunk.length;
        if (out.bytes > (options.maxBytes ?? MAX_BYTES)) abandon({ kind: 'too_much_output' });
      });
    }
    child.on('error', () => {
      options.onExit?.();
      finish({ kind: 'missing' }); // could not be started: not there, or not executable
    });
    child.on('exit', () => options.onExit?.());
    child.on('close', (exitCode) => finish({ kind: 'done', exitCode, stdout: textOf(out.stdout), stderr: textOf(out.stderr) }));
  });
}

const textOf = (chunks: Buffer[]): string => Buffer.concat(chunks).toString('utf8');

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error; // gone already
  }
}
