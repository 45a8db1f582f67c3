import { rename, rm } from 'node:fs/promises';
import Reader from 'libsql';
import Writer from 'libsql/promise';

/** Pages in the page cache, KiB. */
const CACHE_KIB = 32_768;
const BUSY_MS = 5_000;
/** What SQLite says of a file that is none, or is damaged. */
const DAMAGED = /not a database|malformed/i;

type Value = string | number | null;

/**
 * One database file, two connections: writes and everything long run on a thread of the library, short reads here. The
 * write-ahead log lets both go on side by side, and other processes too. A crash of the process loses nothing that was
 * written; one of the machine may lose the last moments.
 */
export class SqliteFile {
  private constructor(
    private readonly writer: Writer,
    private readonly reader: Reader.Database,
  ) {}

  /** A file that cannot be read is put aside, not deleted; `aside` is its new name then. */
  static async open(file: string, setup: string): Promise<{ db: SqliteFile; aside: string | null }> {
    try {
      return { db: await SqliteFile.#open(file, setup), aside: null };
    } catch (error) {
      if (!DAMAGED.test(String(error))) throw error;
      const aside = `${file}.damaged`;
      await rename(file, aside);
      await Promise.all(['-wal', '-shm'].map((end) => rm(`${file}${end}`, { force: true })));
      return { db: await SqliteFile.#open(file, setup), aside };
    }
  }

  static async #open(file: string, setup: string): Promise<SqliteFile> {
    const writer = new Writer(file, {});
    try {
      await writer.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -${CACHE_KIB};`);
      await writer.exec(setup);
      const reader = new Reader(file);
      reader.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA cache_size = -${CACHE_KIB}; PRAGMA query_only = 1;`);
      return new SqliteFile(writer, reader);
    } catch (error) {
      writer.close();
      throw error;
    }
  }

  /** Runs statements off this thread, all or none. */
  async transaction(sql: string): Promise<void> {
    try {
      await this.writer.exec(`BEGIN IMMEDIATE;${sql};COMMIT;`);
    } catch (error) {
      if (this.writer.db !== undefined) await Promise.resolve(this.writer.exec('ROLLBACK')).catch(() => undefined); // there is none when BEGIN failed
      throw error;
    }
  }

  all(sql: string, ...values: Value[]): Value[][] {
    return this.reader.prepare(sql).raw().all(...values) as Value[][];
  }

  /** One number, from the first row. */
  number(sql: string): number {
    return Number(this.all(sql)[0]?.[0] ?? 0);
  }

  close(): void {
    this.reader.close();
    this.writer.close();
  }
}
