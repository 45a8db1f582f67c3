import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { z } from 'zod';
import { FaultError, pullFault, statusOf } from './faults.js';
import { IMAGE_HASH_LABEL } from './labels.js';
import { PullTally, type PullEvent } from './pull.rules.js';
import type { EngineResult, LocalImage, PullOptions } from './types.js';

const ArchiveDescription = z.object({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/),
  hash: z.string().regex(/^[0-9a-f]{6,64}$/),
  import_changes: z.array(z.string()),
});

/** Repository of images that came as archives. */
const LOCAL_PREFIX = 'muster/';

interface ClosableStream extends AsyncIterable<Buffer> {
  destroy(error?: Error): void;
}

type Pulled = EngineResult<{ digest: string | null }>;

export class Images {
  private readonly docker: Docker;
  private readonly pulls = new Map<string, Promise<Pulled>>();

  constructor(docker: Docker) {
    this.docker = docker;
  }

  async has(ref: string): Promise<boolean> {
    return (await this.inspect(ref)) !== null;
  }

  async list(): Promise<LocalImage[]> {
    const images = await this.docker.listImages();
    return images.map((image) => ({
      id: image.Id,
      refs: (image.RepoTags ?? []).filter(isNamed),
      sizeBytes: image.Size,
      hash: (image.Labels as Record<string, string> | null)?.[IMAGE_HASH_LABEL] ?? null,
    }));
  }

  /** The `muster.image.name` label of an imported image. */
  async localName(ref: string): Promise<string | null> {
    return (await this.inspect(ref))?.Config?.Labels?.['muster.image.name'] ?? null;
  }

  pull(ref: string, options: PullOptions): Promise<Pulled> {
    const running = this.pulls.get(ref);
    if (running) return running;
    const pull = this.pullNow(ref, options).finally(() => this.pulls.delete(ref));
    this.pulls.set(ref, pull);
    return pull;
  }

  private async pullNow(ref: string, options: PullOptions): Promise<Pulled> {
    try {
      if (ref.startsWith(LOCAL_PREFIX)) throw new FaultError('image_pull_failed', `The image ${ref} is not on this host; it comes from no registry.`);
      const auth = options.auth ? { authconfig: { username: options.auth.username, password: options.auth.password, serveraddress: options.auth.server ?? '' } } : {};
      const stream = (await this.docker.pull(withTag(ref), { ...auth, ...(options.signal && { abortSignal: options.signal }) })) as unknown as ClosableStream;
      await this.follow(ref, stream, options);
      const image = await this.inspect(ref);
      return { ok: true, value: { digest: image?.RepoDigests?.[0]?.split('@')[1] ?? null } };
    } catch (error) {
      const cancelled = options.signal?.aborted === true ? new FaultError('image_pull_failed', `Pulling the image ${ref} was cancelled.`) : null;
      return { ok: false, fault: pullFault(ref, cancelled ?? error) };
    }
  }

  /** Closing the stream is what cancels a pull: the engine stops when its last reader has gone. */
  private async follow(ref: string, stream: ClosableStream, options: PullOptions): Promise<void> {
    const tally = new PullTally();
    const stop = (): void => stream.destroy();
    options.signal?.addEventListener('abort', stop);
    try {
      for await (const event of jsonLines<PullEvent>(stream)) {
        if (event.error !== undefined) throw new Error(event.error);
        tally.add(event);
        const progress = tally.progress();
        if (options.maxBytes !== undefined && progress.total_bytes > options.maxBytes) {
          throw new FaultError('image_too_large', `The image ${ref} is larger than the ${Math.round(options.maxBytes / 1e9)} GB this host has for it.`);
        }
        options.onProgress?.(progress);
      }
    } finally {
      options.signal?.removeEventListener('abort', stop);
      stream.destroy();
    }
  }

  /** Imports the newest archive of each name, unless it is there; the name's `latest` is always that one. */
  async importArchives(folder: string): Promise<string[]> {
    const made: string[] = [];
    for (const { name, hash, import_changes, tar } of await newestArchives(folder)) {
      const ref = `${LOCAL_PREFIX}${name}:${hash}`;
      if (!(await this.has(ref))) {
        await this.importArchive(tar, ref, import_changes);
        made.push(ref);
      }
      await this.docker.getImage(ref).tag({ repo: `${LOCAL_PREFIX}${name}`, tag: 'latest' });
    }
    return made;
  }

  private async importArchive(tar: string, ref: string, changes: string[]): Promise<void> {
    const [repo, tag] = ref.split(':');
    const answer = await this.docker.importImage(createReadStream(tar), { repo, tag, changes });
    for await (const event of jsonLines<PullEvent>(answer as AsyncIterable<Buffer>)) {
      if (event.error !== undefined) throw new Error(`the image archive ${tar} could not be imported: ${event.error}`);
    }
  }

  /** Removes what nobody needs. An image in use is refused by the engine itself. */
  async collect(keep: readonly string[]): Promise<string[]> {
    const kept = new Set([...keep, ...this.pulls.keys()].map(withTag));
    const removed: string[] = [];
    for (const { Id, RepoTags, RepoDigests } of await this.docker.listImages()) {
      const tags = (RepoTags ?? []).filter(isNamed);
      // One that was asked for by its digest has no tag.
      if ([...tags, ...(RepoDigests ?? [])].some((ref) => kept.has(ref) || isCurrentArchive(ref))) continue;
      for (const ref of tags.length > 0 ? tags : [Id]) if (await this.removeUnused(ref)) removed.push(ref);
    }
    return removed;
  }

  private async removeUnused(ref: string): Promise<boolean> {
    try {
      await this.docker.getImage(ref).remove();
      return true;
    } catch (error) {
      // 409: a container uses it; 404: another has removed it.
      if (statusOf(error) === 409 || statusOf(error) === 404) return false;
      throw error;
    }
  }

  private async inspect(ref: string): Promise<Docker.ImageInspectInfo | null> {
    try {
      return await this.docker.getImage(ref).inspect();
    } catch (error) {
      // 400: not a valid reference, so nothing here bears it.
      if (statusOf(error) === 404 || statusOf(error) === 400) return null;
      throw error;
    }
  }
}

const isCurrentArchive = (ref: string): boolean => ref.startsWith(LOCAL_PREFIX) && ref.endsWith(':latest');

type Archive = z.infer<typeof ArchiveDescription> & { tar: string; writtenMs: number };

async function newestArchives(folder: string): Promise<Archive[]> {
  const files = (await readdir(folder).catch(() => [])).filter((file) => file.endsWith('.json'));
  const newest = new Map<string, Archive>();
  for (const file of files.map((name) => join(folder, name))) {
    const description = ArchiveDescription.parse(JSON.parse(await readFile(file, 'utf8')));
    const archive = { ...description, tar: file.replace(/\.json$/, '.tar'), writtenMs: (await stat(file)).mtimeMs };
    if ((newest.get(archive.name)?.writtenMs ?? 0) < archive.writtenMs) newest.set(archive.name, archive);
  }
  return [...newest.values()];
}

/** `debian` means `debian:latest`; without a tag the engine would pull every tag there is. */
export function withTag(ref: string): string {
  return ref.includes('@') || /:[^/]+$/.test(ref) ? ref : `${ref}:latest`;
}

const isNamed = (ref: string): boolean => ref !== '<none>:<none>';

/** JSON documents of a stream, one per line, however the chunks fall. */
export async function* jsonLines<T>(stream: AsyncIterable<Buffer>): AsyncGenerator<T> {
  let carry = '';
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    carry += decoder.decode(chunk, { stream: true });
    const lines = carry.split('\n');
    carry = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as T;
  }
  if (carry.trim() !== '') yield JSON.parse(carry) as T;
}
