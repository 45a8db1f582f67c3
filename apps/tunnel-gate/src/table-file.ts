import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { GateTable } from '@muster/shared-types';
import { writeAtomic } from './atomic-file.js';
import type { Logger } from 'pino';
import type { Table } from './table.js';

/**
 * The table on disk, so that a restarted gate answers without the backend. Saves are grouped: while one write is under
 * way, every caller that comes in waits for the next one, which holds all their changes.
 */
export class TableFile {
  private readonly path: string;
  private writing: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(
    private readonly stateDir: string,
    private readonly log: Logger,
  ) {
    this.path = join(stateDir, 'table.json');
  }

  /** Fills the table from disk. An unreadable file is set aside: the backend sends the table again. */
  async load(table: Table): Promise<void> {
    await mkdir(this.stateDir, { recursive: true, mode: 0o700 });
    const text = await readFile(this.path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return;
    const parsed = GateTable.safeParse(jsonOrUndefined(text));
    if (parsed.success) return table.replace(parsed.data);
    await rename(this.path, `${this.path}.unreadable`);
    this.log.error({ file: `${this.path}.unreadable` }, 'the table on disk is not readable; starting empty');
  }

  /** Resolves when a state not older than the table now is on disk. */
  save(table: Table): Promise<void> {
    if (!this.writing) {
      this.writing = this.write(table);
      return this.writing;
    }
    this.next ??= this.writing.then(
      () => this.startNext(table),
      () => this.startNext(table),
    );
    return this.next;
  }

  /** Resolves when no write is under way, whether it succeeded or not: its caller has been told. */
  async settled(): Promise<void> {
    while (this.writing) await Promise.allSettled([this.writing, this.next]);
  }

  private startNext(table: Table): Promise<void> {
    this.next = undefined;
    this.writing = this.write(table);
    return this.writing;
  }

  private async write(table: Table): Promise<void> {
    try {
      await writeAtomic(this.path, JSON.stringify(table.snapshot()));
    } finally {
      if (!this.next) this.writing = undefined;
    }
  }
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
