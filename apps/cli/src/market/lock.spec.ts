import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify } from '@muster/local-services';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockHolder, takeLock } from './lock.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-lock-'));
  path = join(folder, 'run', 'supervisor.lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the lock of a market', () => {
  it('is held by one, until it lets go', async () => {
    const lock = await takeLock(path);
    expect(lock).toBeDefined();
    expect(await takeLock(path)).toBeUndefined();
    expect(await lockHolder(path)).toMatchObject({ pid: process.pid });
    await lock?.release();
    expect(await lockHolder(path)).toBeUndefined();
  });

  it('goes to exactly one of many that want it at once', async () => {
    const locks = await Promise.all(Array.from({ length: 20 }, () => takeLock(path)));
    expect(locks.filter((lock) => lock !== undefined)).toHaveLength(1);
  });

  it('is taken from a holder that was killed, also when its pid is somebody else by now', async () => {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const identity = await identify(child.pid ?? -1);
    const first = await takeLock(path);
    await first?.release();
    const bootId = 'of another boot';
    await writeFile(path, JSON.stringify({ ...identity, bootId }));
    expect(await takeLock(path)).toBeDefined();
    child.kill('SIGKILL');
  });

  it('is not given up for a file that cannot be read as a lock', async () => {
    const lock = await takeLock(path);
    await lock?.release();
    await writeFile(path, '{"pid":');
    expect(await takeLock(path)).toBeDefined();
  });
});
