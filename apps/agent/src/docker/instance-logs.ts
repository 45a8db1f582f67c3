import { appendFile, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { FrameReader, tailLines } from './frames.rules.js';
import { type LogPlace, wholeCharacters } from './log-cursor.rules.js';

const FILE_BYTES = 2 ** 20;
const BURST_BYTES = 4 * 2 ** 20;
const BYTES_PER_SECOND = 2 ** 20;
const MAX_ANSWER_CHARS = 1_000_000;

/**
 * What the command of an instance writes, in two files of at most 1 MiB each.
 *
 * Docker's own log drivers cost the host more than a core when an instance floods them, so the driver is `none` and this
 * reads the attach stream, never faster than 1 MiB/s past a burst of 4: a full pipe makes the instance wait, in its own
 * time. While no agent runs, output is thrown away by dockerd.
 */
export class InstanceLogs {
  private readonly folder: string;
  private readonly followed = new Map<string, AbortController>();

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Follows a created or running container; nothing to do when it is followed. Attach before start loses nothing. */
  async follow(rentalId: string, container: Docker.Container): Promise<void> {
    if (this.followed.has(container.id)) return;
    const abort = new AbortController();
    this.followed.set(container.id, abort);
    try {
      const stream = await container.attach({ stream: true, stdout: true, stderr: true });
      abort.signal.addEventListener('abort', () => (stream as NodeJS.ReadWriteStream & { destroy(): void }).destroy());
      void this.copy(rentalId, stream as AsyncIterable<Buffer> & NodeJS.ReadableStream).finally(() => this.followed.delete(container.id));
    } catch (error) {
      this.followed.delete(container.id);
      throw error;
    }
  }

  isFollowing(containerId: string): boolean {
    return this.followed.has(containerId);
  }

  async read(rentalId: string, lines: number): Promise<{ text: string; truncated: boolean }> {
    const file = this.file(rentalId);
    const parts = await Promise.all([`${file}.1`, file].map((part) => readFile(part, 'utf8').catch(() => '')));
    return boundedTail(parts.join(''), lines);
  }

  /**
   * What was written since `place`, or everything that is kept. A file is known by its number on the disk, so a place stays
   * good over the turn of the files and over a new agent; behind two turns there is a gap.
   */
  async after(rentalId: string, place?: LogPlace): Promise<{ text: string; place: LogPlace; gap: boolean }> {
    const [older, newer] = await Promise.all([readKept(`${this.file(rentalId)}.1`), readKept(this.file(rentalId))]);
    const end = newer ?? older ?? { ino: 0, bytes: Buffer.alloc(0) };
    const files = [older, newer].filter((file) => file !== undefined);
    const at = place === undefined ? -1 : files.findIndex((file) => file.ino === place.ino && file.bytes.length >= place.offset);
    const rest = files.slice(Math.max(0, at)).map((file, index) => (at >= 0 && index === 0 ? file.bytes.subarray(place?.offset) : file.bytes));
    const gap = place !== undefined && place.ino !== 0 && at < 0 && files.length > 0;
    const fresh = Buffer.concat(rest);
    const whole = wholeCharacters(fresh);
    return { text: fresh.subarray(0, whole).toString('utf8'), place: { ino: end.ino, offset: end.bytes.length - (fresh.length - whole) }, gap };
  }

  async forget(rentalId: string): Promise<void> {
    for (const part of [this.file(rentalId), `${this.file(rentalId)}.1`]) await rm(part, { force: true });
  }

  close(): void {
    for (const abort of this.followed.values()) abort.abort();
  }

  private file(rentalId: string): string {
    return join(this.folder, `${rentalId}.log`);
  }

  /** Ends with the stream: the container ended, the engine went, or `close`. Never rejects. */
  private async copy(rentalId: string, stream: AsyncIterable<Buffer>): Promise<void> {
    const frames = new FrameReader();
    const budget = new Budget();
    try {
      for await (const chunk of stream) {
        await this.append(rentalId, Buffer.concat(frames.read(chunk)));
        await budget.spend(chunk.length);
      }
    } catch {
      // A broken stream is how a killed engine looks from here; the next `follow` attaches again.
    }
  }

  private async append(rentalId: string, bytes: Buffer): Promise<void> {
    const file = this.file(rentalId);
    const size = await stat(file).then((found) => found.size, () => 0);
    if (size + bytes.length > FILE_BYTES) await rename(file, `${file}.1`).catch(() => undefined);
    await appendFile(file, bytes.subarray(-FILE_BYTES), { mode: 0o600 });
  }
}

async function readKept(path: string): Promise<{ ino: number; bytes: Buffer } | undefined> {
  const file = await open(path).catch(() => undefined);
  if (!file) return undefined;
  try {
    const { ino } = await file.stat();
    return { ino, bytes: await file.readFile() };
  } finally {
    await file.close();
  }
}

/** The last lines, and never more than the wire allows. */
export function boundedTail(text: string, lines: number): { text: string; truncated: boolean } {
  const tail = tailLines(text, lines);
  if (tail.text.length <= MAX_ANSWER_CHARS) return tail;
  return { text: tail.text.slice(-MAX_ANSWER_CHARS), truncated: true };
}

/** Token bucket: lets a burst through at once, then a steady rate. */
class Budget {
  private tokens = BURST_BYTES;
  private last = performance.now();

  async spend(bytes: number): Promise<void> {
    const now = performance.now();
    this.tokens = Math.min(BURST_BYTES, this.tokens + ((now - this.last) / 1000) * BYTES_PER_SECOND) - bytes;
    this.last = now;
    if (this.tokens < 0) await new Promise((resolve) => setTimeout(resolve, (-this.tokens / BYTES_PER_SECOND) * 1000).unref());
  }
}
