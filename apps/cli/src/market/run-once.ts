import { execFile } from 'node:child_process';

export interface OnceOptions {
  env: Readonly<Record<string, string>>;
  timeoutMs: number;
  /** What the command does, for the error. */
  what: string;
}

const LARGEST_OUTPUT = 4 * 1024 * 1024;

/** Runs a command to its end; returns its standard output. Throws with the end of its standard error. */
export function runOnce(command: string, args: readonly string[], options: OnceOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { env: options.env, timeout: options.timeoutMs, maxBuffer: LARGEST_OUTPUT, cwd: '/' }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const why = error.killed ? `no end after ${options.timeoutMs / 1000} s` : stderr.trim().split('\n').slice(-12).join('\n') || error.message;
      reject(new Error(`${options.what} failed: ${why}`));
    });
  });
}

/** The last line of an output as JSON. */
export function lastLineJson(output: string): unknown {
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
}
