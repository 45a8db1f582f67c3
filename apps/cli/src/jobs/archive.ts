import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Manifest } from '@muster/shared-types';
import { extract } from 'tar-stream';
import { CliError, EXIT } from '../output/exit-codes.js';

const bad = (message: string): CliError => new CliError(message, EXIT.failed, 'Nothing of it should be believed. Download it again; if it stays so, tell the operator of the market.');

/**
 * Unpacks the archive of a result folder below `folder`. Only plain files that the manifest names are written, each
 * with exactly its size and SHA-256; links, devices and paths outside cannot be named by it. Throws when one is missing
 * or other than it says; that one is not left behind.
 */
export async function unpackResult(archive: AsyncIterable<Uint8Array>, manifest: Manifest, folder: string): Promise<void> {
  const wanted = new Map(manifest.files.map((file) => [file.path, file]));
  const tar = extract();
  const reading = pipeline(Readable.from(archive), tar);
  reading.catch(() => undefined); // its failure is also that of the loop below
  for await (const entry of tar) {
    const { name, type } = entry.header;
    const path = name.replace(/^\.\//, '');
    if (type === 'directory') {
      entry.resume();
      continue;
    }
    const file = type === 'file' ? wanted.get(path) : undefined;
    if (!file) throw bad(`The archive holds ${path} (${type ?? 'unknown'}), which is no file of the agreed manifest.`);
    await writeChecked(entry as AsyncIterable<Buffer>, file, join(folder, path));
    wanted.delete(path);
  }
  await reading;
  const [missing] = wanted.keys();
  if (missing !== undefined) throw bad(`The archive lacks ${missing}, which the agreed manifest names.`);
}

/** Under another name until it is known to be right. The name may be that of a link: it is replaced, never followed. */
async function writeChecked(content: AsyncIterable<Buffer>, file: Manifest['files'][number], target: string): Promise<void> {
  const draft = `${target}.part`;
  await mkdir(dirname(target), { recursive: true });
  await rm(draft, { force: true });
  const hash = createHash('sha256');
  let size = 0;
  try {
    await pipeline(
      content,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          size += chunk.length;
          if (size > file.size) throw bad(`${file.path} is longer than the agreed manifest says.`);
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(draft, { flags: 'wx', mode: 0o644 }),
    );
    if (size !== file.size || hash.digest('hex') !== file.sha256) throw bad(`${file.path} is not what the nodes agreed on.`);
    await rename(draft, target);
  } finally {
    await rm(draft, { force: true });
  }
}
