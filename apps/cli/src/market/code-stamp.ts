import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type OwnProgram, REPOSITORY } from './layout.js';

/** Changes whenever a program, or a package that programs are made of, was built anew. */
export async function codeStamp(app: OwnProgram): Promise<string> {
  if (app === 'frontend') return webStamp();
  const packages = await readdir(join(REPOSITORY, 'packages'));
  const folders = [join(REPOSITORY, 'apps', app, 'dist'), join(REPOSITORY, 'prisma', 'dist'), ...packages.map((name) => join(REPOSITORY, 'packages', name, 'dist'))];
  const parts = await Promise.all(folders.map(folderStamp));
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16);
}

/** The web app carries everything in its build, which has a name of its own. */
async function webStamp(): Promise<string> {
  const file = join(REPOSITORY, 'apps', 'frontend', 'dist', 'BUILD_ID');
  const [id, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
  return `${id} ${mtimeMs}`;
}

async function folderStamp(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.js')).map((entry) => join(entry.parentPath, entry.name));
  const lines = await Promise.all(files.map(async (file) => {
    const { size, mtimeMs } = await stat(file);
    return `${file} ${size} ${mtimeMs}`;
  }));
  return lines.toSorted().join('\n');
}

/** One word for a command line and its settings; secrets among them cannot be read back from it. */
export function fingerprintOf(command: string, args: readonly string[], env: Readonly<Record<string, string>>, stamp: string): string {
  const settings = Object.entries(env).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify([command, args, settings, stamp])).digest('hex').slice(0, 16);
}
