import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testCacheDir } from './test-postgres-server.js';

const RECIPES = fileURLToPath(new URL('../../../infra/test-servers', import.meta.url));

/**
 * Builds the servers that only tests need, behind everything else that runs, while tests that do without them go on. The tests that want one call its build again: it waits for this one, or says why it failed.
 */
export async function buildTestServersAhead(): Promise<{ stop(): Promise<void> }> {
  const cacheDir = testCacheDir();
  await mkdir(cacheDir, { recursive: true, mode: 0o755 });
  const scripts = (await readdir(RECIPES)).map((name) => join(RECIPES, name, 'build.sh')).filter((script) => existsSync(script));
  const stopping = new AbortController();
  const all = Promise.all(scripts.map((script) => build(script, cacheDir, stopping.signal)));
  return {
    stop: async () => {
      stopping.abort();
      await all;
    },
  };
}

/** In a process group of its own: a compiler has many children. */
async function build(script: string, cacheDir: string, signal: AbortSignal): Promise<void> {
  const child = spawn('nice', ['-n', '5', 'bash', script, cacheDir], { stdio: 'ignore', detached: true });
  const ended = once(child, 'exit');
  const kill = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
  };
  signal.addEventListener('abort', kill, { once: true });
  await ended;
  signal.removeEventListener('abort', kill);
}
