import { execFile } from 'node:child_process';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The Unix users that own the servers when root starts them; an uninstall removes exactly these. */
export const SERVICE_USERS = { postgres: 'muster-postgres', redis: 'muster-redis' } as const;

export interface UnixUser {
  uid: number;
  gid: number;
}

/** The user a server runs as: its own when root starts it (made when absent), else the caller (undefined). */
export async function serviceUser(name: string): Promise<UnixUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  return (await lookUp(name)) ?? (await create(name));
}

async function create(name: string): Promise<UnixUser> {
  const args = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', name];
  const failure = await run('useradd', args).then(() => undefined, (error: Error) => error);
  // Another process may have made the same user between the look-up and useradd: only its absence is an error.
  const user = await lookUp(name);
  if (!user) throw new Error(`cannot make the Unix user ${name}`, { cause: failure });
  return user;
}

async function lookUp(name: string): Promise<UnixUser | undefined> {
  const line = await run('getent', ['passwd', name]).then((result) => result.stdout, () => '');
  const [, , uid, gid] = line.split(':');
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/** Makes a folder that any user may pass through, and refuses one that lies under a closed folder (such as /root). */
export async function makeTraversable(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  for (let path = folder; ; path = dirname(path)) {
    const { mode } = await stat(path);
    if ((mode & 0o001) === 0) {
      throw new Error(`${folder} cannot be used: other Unix users may not pass through ${path}. Choose a folder outside it, for example under /var/lib or /var/cache`);
    }
    if (path === dirname(path)) return;
  }
}
