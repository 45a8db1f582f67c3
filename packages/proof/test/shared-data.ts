import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/** Folder of third-party test vectors, which are never part of this repository. */
export function sharedData(...path: string[]): string {
  return join(resolve(REPOSITORY, process.env['MUSTER_SHARED_DATA'] ?? '../shared/data'), ...path);
}

/** True where a vector may be left out: it is absent and this is not CI, which must have all of them. */
export function mayBeLeftOut(folder: string): boolean {
  return !existsSync(folder) && !process.env['CI'];
}
