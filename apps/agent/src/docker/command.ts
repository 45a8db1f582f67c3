import { spawn } from 'node:child_process';

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  path?: string | undefined;
  input?: string;
  timeoutMs?: number;
}

/** A tool that should have worked did not; the message carries what it said. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly result: CommandResult;
  constructor(command: string, result: CommandResult) {
    super(`${command} failed (${result.code}): ${(result.stderr || result.stdout).trim().slice(0, 500)}`);
    this.result = result;
  }
}

/**
 * Runs a tool of the machine with nothing of the agent's environment but PATH. Resolves with code 127 when it is not
 * installed and 124 when it had to be killed at its timeout; never rejects.
 */
export function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      env: { PATH: options.path ?? DEFAULT_PATH, LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, options.timeoutMs ?? 30_000);
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // EPIPE: the tool ended without reading its input; its exit code says the rest.
    child.stdin.on('error', () => undefined).end(options.input ?? '');
    const settle = (code: number, extra = ''): void => {
      clearTimeout(timer);
      resolve({ code: timedOut ? 124 : code, stdout, stderr: stderr + extra });
    };
    child.on('error', (error) => settle(127, error.message));
    child.on('close', (code) => settle(code ?? 1));
  });
}

/** Standard output of a tool, or throws `CommandError`. */
export async function mustRun(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await run(command, args, options);
  if (result.code !== 0) throw new CommandError(`${command} ${args.join(' ')}`, result);
  return result.stdout;
}
