import { copyFile, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

const LARGEST_BYTES = 8 * 1024 * 1024;
const EVERY_MS = 20_000;

/** Keeps every log of a folder below twice 8 MiB: the present one and the one before (`.1`). */
export function rotateLogs(folders: readonly string[], onError: (error: unknown) => void): { stop(): void } {
  const timer = setInterval(() => {
    for (const folder of folders) rotateOnce(folder).catch(onError);
  }, EVERY_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

/** Copied and cut, never renamed: the writers hold these files open, and append to what is left. */
export async function rotateOnce(folder: string, largestBytes = LARGEST_BYTES): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  for (const file of names.map((name) => join(folder, name))) {
    const { size } = await stat(file);
    if (size <= largestBytes) continue;
    await copyFile(file, `${file}.1`);
    await truncate(file, 0);
  }
}
