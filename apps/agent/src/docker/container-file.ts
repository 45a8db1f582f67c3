import type Docker from 'dockerode';
import { extract } from 'tar-stream';
import { z } from 'zod';

const MAX_BYTES = 8 * 2 ** 20;

/**
 * A regular file of a container, through the engine, which resolves its path inside: the host must never follow a
 * tenant's links itself. Empty for anything but a file; throws when there is none.
 */
export async function readContainerFile(container: Docker.Container, path: string): Promise<Buffer> {
  const archive = await container.getArchive({ path });
  const unpack = extract();
  archive.pipe(unpack);
  try {
    for await (const entry of unpack) {
      if (entry.header.type !== 'file' || (entry.header.size ?? 0) > MAX_BYTES) return Buffer.alloc(0);
      const parts: Buffer[] = [];
      for await (const part of entry) parts.push(part as Buffer);
      return Buffer.concat(parts);
    }
    return Buffer.alloc(0);
  } finally {
    archive.unpipe(unpack);
    (archive as NodeJS.ReadableStream & { destroy(): void }).destroy();
  }
}

const Stat = z.object({ size: z.number().int().nonnegative() });

/** Length of a file of a container, without reading it. Throws when there is none. */
export async function containerFileSize(container: Docker.Container, path: string): Promise<number> {
  const answer = (await container.infoArchive({ path })) as { headers?: Record<string, string | undefined>; resume?: () => void };
  answer.resume?.();
  const stat = Buffer.from(answer.headers?.['x-docker-container-path-stat'] ?? '', 'base64').toString('utf8');
  return Stat.parse(JSON.parse(stat)).size;
}
