import { spawn } from 'node:child_process';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface ToolOptions {
  timeoutMs?: number;
  input?: string;
  /** Instead of our own environment. */
  env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end; killed after `timeoutMs`. */
export function runTool(program: string, args: readonly string[], { timeoutMs = 60_000, input = '', env }: ToolOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'pipe', ...(env && { env }) });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on('error', () => child.stdin.destroy());
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 255, stdout, stderr });
    });
  });
}
