import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { JOB_LIMITS, type Manifest, RelativePath } from '@muster/shared-types';
import { jobFault } from './execution-fault.js';

type ManifestFile = Manifest['files'][number];

/** Folders count too: a tree of empty ones would be walked for ever. */
const MAX_ENTRIES = JOB_LIMITS.outputFiles * 2;

/**
 * What lies in an output folder whose program has ended. Only plain files and folders: a link or a device would mean
 * something else on another machine, or lead out of the folder, so it is refused and never followed. Files sorted by path
 * in the order of UTF-16 code units. Throws ExecutionFaultError `bad_output` or `output_too_large`.
 */
export async function readManifest(folder: string, exitCode: number): Promise<Manifest> {
  const paths = (await walk(folder)).toSorted();
  const files: ManifestFile[] = [];
  let left: number = JOB_LIMITS.outputBytes;
  for (const path of paths) {
    const file = await describe(folder, path, left);
    left -= file.size;
    files.push(file);
  }
  return { exit_code: exitCode, files };
}

async function walk(root: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [''];
  let entries = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const entry of await opendir(join(root, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      entries += 1;
      if (entries > MAX_ENTRIES || files.length >= JOB_LIMITS.outputFiles) throw jobFault('output_too_large', `There are more than ${JOB_LIMITS.outputFiles} files in /output.`);
      checkName(path);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) files.push(path);
      else throw jobFault('bad_output', `/output/${path} is ${entry.isSymbolicLink() ? 'a symbolic link' : 'no plain file'}; a result has plain files and folders only.`);
    }
  }
  return files;
}

function checkName(path: string): void {
  // What is not UTF-8 arrives with this mark.
  if (path.includes('\ufffd')) throw jobFault('bad_output', `A file name in /output is not UTF-8: ${JSON.stringify(path)}.`);
  if (!RelativePath.safeParse(path).success) throw jobFault('bad_output', `A path in /output is longer than 300 characters: ${JSON.stringify(path.slice(0, 100))}….`);
}

async function describe(folder: string, path: string, left: number): Promise<ManifestFile> {
  const file = await open(join(folder, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    // By length, not by blocks: a sparse file is as long to everybody who gets it.
    if (size > left) throw jobFault('output_too_large', `The files in /output are larger than ${JOB_LIMITS.outputBytes} bytes together.`);
    const hash = createHash('sha256');
    for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk as Buffer);
    return { path, size, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}
