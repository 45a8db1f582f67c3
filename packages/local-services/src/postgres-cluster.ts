import { execFile } from 'node:child_process';
import { chown, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { SUPERUSER } from './postgres-url.js';
import type { UnixUser } from './unix-user.js';

const run = promisify(execFile);

export interface ClusterOptions {
  data: string;
  initdb: string;
  password: string;
  user: UnixUser | undefined;
  /** Whether the new files are flushed to the disk. */
  sync: boolean;
}

/**
 * Makes an empty database cluster unless there is one. It is built beside its place and renamed, so a crash in
 * the middle never leaves half a cluster.
 */
export async function initialiseCluster(cluster: ClusterOptions): Promise<void> {
  if (await stat(join(cluster.data, 'PG_VERSION')).then(() => true, () => false)) return;
  const partial = `${cluster.data}.new`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  if (cluster.user) await chown(partial, cluster.user.uid, cluster.user.gid);
  await runInitdb(cluster, partial);
  await rename(partial, cluster.data);
}

async function runInitdb(cluster: ClusterOptions, target: string): Promise<void> {
  const passwordFile = join(dirname(target), `initdb-password.${process.pid}`);
  await writeFile(passwordFile, `${cluster.password}\n`, { mode: 0o600, flag: 'wx' });
  try {
    if (cluster.user) await chown(passwordFile, cluster.user.uid, cluster.user.gid);
    await run(cluster.initdb, initdbArgs(target, passwordFile, cluster.sync), {
      ...cluster.user,
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC' },
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** The built-in C.UTF-8 sorts the same on every machine, whatever locales are installed there. */
function initdbArgs(target: string, passwordFile: string, sync: boolean): string[] {
  return [
    `--pgdata=${target}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    ...(sync ? [] : ['--no-sync']),
  ];
}
