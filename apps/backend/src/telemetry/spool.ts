import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzip, gzip } from 'node:zlib';

/** What one file holds, as its name says. */
export interface Segment {
  name: string;
  lines: number;
  bytes: number;
}

const NAME = /^(\d{15})-[0-9a-f]{8}-(\d{1,9})\.lp\.gz$/;

/**
 * Lines that wait on the disk, oldest first, in files of one batch. A file is there whole or not at all. Over its size the
 * oldest go: what is newest is worth most.
 */
export class Spool {
  #segments: Segment[] = [];
  #last = 0;

  private constructor(
    private readonly dir: string,
    private readonly maxBytes: number,
  ) {}

  /** Takes up what an earlier process left. */
  static async open(dir: string, maxBytes: number): Promise<Spool> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const spool = new Spool(dir, maxBytes);
    for (const name of (await readdir(dir)).toSorted()) {
      const lines = NAME.exec(name)?.[2];
      if (lines !== undefined) spool.#segments.push({ name, lines: Number(lines), bytes: (await stat(join(dir, name))).size });
      else if (name.endsWith('.new')) await rm(join(dir, name), { force: true });
    }
    spool.#last = Number(NAME.exec(spool.#segments.at(-1)?.name ?? '')?.[1] ?? 0);
    return spool;
  }

  get lines(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.lines, 0);
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  oldest(): Segment | undefined {
    return this.#segments[0];
  }

  /** Returns how many lines had to go for these. Rejects when the disk takes none. */
  async append(lines: readonly string[]): Promise<number> {
    const packed = await promisify(gzip)(lines.join('\n'), { level: constants.Z_BEST_SPEED });
    // Microseconds, and always later than the one before: names sort as they were written.
    this.#last = Math.max(this.#last + 1, Date.now() * 1_000 - 1_000_000_000_000_000);
    const name = `${String(this.#last).padStart(15, '0')}-${randomBytes(4).toString('hex')}-${lines.length}.lp.gz`;
    await writeFile(join(this.dir, `${name}.new`), packed, { mode: 0o600 });
    await rename(join(this.dir, `${name}.new`), join(this.dir, name));
    this.#segments.push({ name, lines: lines.length, bytes: packed.length });
    return await this.#shrink();
  }

  /** Empty when the file is gone or damaged. */
  async read(segment: Segment): Promise<string[]> {
    try {
      const text = await promisify(gunzip)(await readFile(join(this.dir, segment.name)));
      return text.toString('utf8').split('\n');
    } catch {
      return []; // whatever is wrong with it, it is as good as dropped
    }
  }

  async remove(segment: Segment): Promise<void> {
    this.#segments = this.#segments.filter((one) => one !== segment);
    await rm(join(this.dir, segment.name), { force: true });
  }

  async #shrink(): Promise<number> {
    let dropped = 0;
    while (this.bytes > this.maxBytes && this.#segments.length > 1) {
      const [oldest] = this.#segments;
      if (!oldest) break;
      await this.remove(oldest);
      dropped += oldest.lines;
    }
    return dropped;
  }
}
