import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Owner {
  uid: number;
  gid: number;
}

/** Replaces a file in one step, 0600. Whoever reads it finds the old text or the new one. */
export async function writePrivate(path: string, text: string, owner?: Owner): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await mkdir(dirname(path), { recursive: true });
  try {
    await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
    if (owner) await chown(draft, owner.uid, owner.gid);
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** The text of a file, or undefined when there is none. Any other failure throws. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}
