import { chmod, chown, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CliConfig } from '../config.js';

/** Writes a file of the person who called (also through sudo): 0600 in a 0700 folder, replaced in one step. */
export async function writePersonal(config: CliConfig, path: string, text: string): Promise<void> {
  await ownFolder(config, dirname(path));
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, text, { mode: 0o600 });
  await give(config, draft);
  await rename(draft, path);
}

/** Makes the folder and those above it that are missing, all belonging to the person who called. */
export async function ownFolder(config: CliConfig, path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  if (made === undefined) return;
  for (let dir = path; dir.length >= made.length; dir = dirname(dir)) {
    await chmod(dir, 0o700);
    await give(config, dir);
  }
}

export async function give(config: CliConfig, path: string): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, config.caller.uid, config.caller.gid);
}

/** Null when there is no such file. */
export async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
