import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processesIn } from '@muster/local-services';
import { findChildren } from './child.js';
import type { Layout } from './layout.js';

/** Processes of ours, or a file system of an agent's engine. */
export async function isAnythingLeft(layout: Layout): Promise<boolean> {
  const servers = await Promise.all([layout.postgres, layout.redis].map((dir) => processesIn(join(dir, 'data'))));
  if (servers.flat().length > 0 || (await findChildren(layout.home)).length > 0) return true;
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  return [layout.agent, layout.agents].some((folder) => mounts.includes(` ${folder}/`));
}
