import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Folder with the built image `workspace`, or null where it has not been built (`infra/images/workspace/build.sh`). */
export function workspaceImages(): string | null {
  const folder = join(process.env['MUSTER_HOME'] ?? '/var/lib/muster', 'cache', 'images');
  return existsSync(folder) && readdirSync(folder).some((file) => /^workspace-.*\.json$/.test(file)) ? folder : null;
}
