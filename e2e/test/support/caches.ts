import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findFrp, type FrpBinaries } from '@muster/testkit/frp/binaries';

export const REPOSITORY = resolve(fileURLToPath(new URL('../../..', import.meta.url)));
export const CLI = join(REPOSITORY, 'apps/cli/dist/main.js');
const IMAGE_SCRIPT = join(REPOSITORY, 'infra/images/workspace/build.sh');
const BUILD_MS = 15 * 60_000;

/** What every market here needs and nobody wants to build twice: of the run that started the tests, else built for it. */
export interface Caches {
  frp: FrpBinaries;
  imagesDir: string;
}

export async function findCaches(): Promise<Caches> {
  return { frp: await findFrp(), imagesDir: dirname(await workspaceImage()) };
}

async function workspaceImage(): Promise<string> {
  const wanted = await imageScript('--path');
  if (existsSync(wanted) && existsSync(wanted.replace(/json$/, 'tar'))) return wanted;
  return imageScript();
}

async function imageScript(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', [IMAGE_SCRIPT, ...args], { timeout: BUILD_MS });
  return stdout.trim().split('\n').at(-1) ?? '';
}
