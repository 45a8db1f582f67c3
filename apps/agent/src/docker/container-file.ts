import type Docker from 'dockerode';
import { extract } from 'tar-stream';

const MAX_BYTES = 8 * 2 ** 20;

/**
 * A regular file of a container, through the engine, which resolves its path inside: the host must never follow a
 * tenant's links itself. Empty for anything but a file; throws when there is none.
 */
export async function readContainerFile(container: Docker.Container, path: string): Promise<string> {
  const archive = await container.getArchive({ path });
  const unpack = extract();
  archive.pipe(unpack);
  try {
    for await (const entry of unpack) {
      if (entry.header.type !== 'file' || (entry.header.size ?? 0) > MAX_BYTES) return '';
      const parts: Buffer[] = [];
      for await (const part of entry) parts.push(part as Buffer);
      return Buffer.concat(parts).toString('utf8');
    }
    return '';
  } finally {
    archive.unpipe(unpack);
    (archive as NodeJS.ReadableStream & { destroy(): void }).destroy();
  }
}
