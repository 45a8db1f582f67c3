import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { addColumnSql, columnsOf, createSql, insertSql, meansSql, SETUP_SQL, tableAt, tablesOver, type Row, type Table } from './embedded-sql.rules.js';
import { EmbeddedUpkeep } from './embedded-upkeep.js';
import { SqliteFile } from './sqlite-file.js';
import { Telemetry, type Point, type PointTags, type SeriesQuery, type StoredSeries, type TelemetryCounts } from './telemetry.port.js';

export interface EmbeddedOptions {
  dir: string;
  /** Over this size the oldest samples go before their time. */
  maxBytes: number;
  now: () => Date;
  /** A store in trouble: words for the log. */
  onTrouble: (words: string, error?: unknown) => void;
}

const FLUSH_MS = 1_000;
const UPKEEP_MS = 15_000;
/** What a disk that takes nothing may leave in memory. */
const MOST_WAITING = 100_000;
const ROWS_PER_STATEMENT = 2_000;

/**
 * Telemetry of a market that runs on one machine: a SQLite file. Points wait up to a second for one transaction; a point is
 * one row, a series is found by a number. INVARIANT: one transaction at a time, in `#work`.
 */
export class EmbeddedTelemetry extends Telemetry {
  readonly #series = new Map<string, number>();
  readonly #tables = new Set<string>();
  readonly #upkeep: EmbeddedUpkeep;
  #waiting: Point[] = [];
  #writing = 0;
  #written = 0;
  #dropped = 0;
  #work: Promise<void> = Promise.resolve();
  #timers: NodeJS.Timeout[] = [];
  #closed = false;

  private constructor(
    private readonly db: SqliteFile,
    private readonly options: EmbeddedOptions,
  ) {
    super();
    this.#upkeep = new EmbeddedUpkeep(db, options.maxBytes, (table) => this.#ensure(table));
    for (const [id, measurement, node, gpu, model, slot] of db.all('SELECT id, measurement, node, gpu, model, slot FROM series')) this.#series.set([measurement, node, gpu, model, slot].join('\n'), Number(id));
  }

  static async open(options: EmbeddedOptions): Promise<EmbeddedTelemetry> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    const { db, aside } = await SqliteFile.open(join(options.dir, 'telemetry.db'), SETUP_SQL);
    if (aside !== null) options.onTrouble(`the file of the telemetry was damaged; it lies at ${aside} now, and a new one was begun`);
    const store = new EmbeddedTelemetry(db, options);
    store.#start();
    return store;
  }

  override write(points: readonly Point[]): void {
    const room = this.#closed ? 0 : MOST_WAITING - this.#waiting.length;
    this.#waiting.push(...points.slice(0, Math.max(0, room)));
    this.#dropped += Math.max(0, points.length - Math.max(0, room));
  }

  override read(query: SeriesQuery): Promise<StoredSeries[]> {
    return new Promise((resolve) => resolve(this.#seriesOf(query).flatMap((series) => this.#means(query, series))));
  }

  override flush(): Promise<void> {
    return this.#then(() => this.#store());
  }

  override rollUp(nowS: number): Promise<void> {
    return this.#then(async () => {
      await this.#store();
      await this.#upkeep.rollUp(nowS);
    });
  }

  override counts(): TelemetryCounts {
    return { written: this.#written, failed: 0, dropped: this.#dropped, waiting: this.#waiting.length + this.#writing };
  }

  override async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.flush();
    this.db.close();
  }

  #start(): void {
    const everyFlush = setInterval(() => void this.flush(), FLUSH_MS);
    const everyUpkeep = setInterval(() => void this.#then(() => this.#upkeep.pass(this.options.now().getTime() / 1_000)), UPKEEP_MS);
    this.#timers = [everyFlush.unref(), everyUpkeep.unref()];
  }

  /** One after another. A failure is told and does not keep the next from being tried. */
  #then(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch((error: unknown) => this.options.onTrouble('the telemetry could not be stored; it is tried again', error));
    return this.#work;
  }

  async #store(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const points = this.#waiting;
    this.#waiting = [];
    this.#writing = points.length;
    try {
      await this.#addSeries(points);
      await this.db.transaction((await this.#inserts(points)).join(''));
      this.#written += points.length;
    } catch (error) {
      this.#waiting = [...points, ...this.#waiting].slice(0, MOST_WAITING);
      throw error;
    } finally {
      this.#writing = 0;
    }
  }

  /** Series that are new get their numbers, from the file: another process may have met them first. */
  async #addSeries(points: readonly Point[]): Promise<void> {
    const unknown = new Map(points.map((point) => [keyOf(point), point]));
    for (const key of unknown.keys()) if (this.#series.has(key)) unknown.delete(key);
    if (unknown.size === 0) return;
    const rows = [...unknown.values()].map(({ measurement, tags }) => `(${[measurement, ...partsOf(tags)].map(quoted).join(',')})`);
    await this.db.transaction(`INSERT OR IGNORE INTO series (measurement, node, gpu, model, slot) VALUES ${rows.join(',')}`);
    for (const [key, { measurement, tags }] of unknown) {
      const [row] = this.db.all('SELECT id FROM series WHERE measurement = ? AND node = ? AND gpu = ? AND model = ? AND slot = ?', measurement, ...partsOf(tags));
      if (row) this.#series.set(key, Number(row[0]));
    }
  }

  async #inserts(points: readonly Point[]): Promise<string[]> {
    const byTable = new Map<string, { table: Table; rows: Row[] }>();
    for (const point of points) {
      const table = tableAt('raw', point.measurement, point.atS);
      const { rows } = byTable.get(table.name) ?? byTable.set(table.name, { table, rows: [] }).get(table.name)!;
      rows.push({ series: this.#series.get(keyOf(point)) ?? -1, atS: point.atS, fields: point.fields });
    }
    for (const { table } of byTable.values()) await this.#ensure(table);
    return [...byTable.values()].flatMap(({ table, rows }) => inChunks(rows).map((chunk) => insertSql(table, chunk)));
  }

  /** The table is there, with every column that this version knows. */
  async #ensure(table: Table): Promise<void> {
    if (this.#tables.has(table.name) && this.#exists(table)) return;
    await this.db.transaction(createSql(table));
    const have = new Set(this.db.all(`PRAGMA table_info("${table.name}")`).map((row) => row[1]));
    const missing = columnsOf(table.measurement).filter((column) => !have.has(column));
    if (missing.length > 0) await this.db.transaction(missing.map((column) => addColumnSql(table, column)).join(''));
    this.#tables.add(table.name);
  }

  #exists(table: Table): boolean {
    return this.db.all("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", table.name).length > 0;
  }

  #seriesOf({ measurement, node, slot, gpus }: SeriesQuery): { id: number; gpu: string; model: string }[] {
    const rows = this.db.all('SELECT id, gpu, model FROM series WHERE measurement = ? AND node = ? AND slot = ?', measurement, node, slot ?? '');
    const found = rows.map(([id, gpu, model]) => ({ id: Number(id), gpu: String(gpu), model: String(model) }));
    return gpus === undefined ? found : found.filter(({ gpu }) => gpus.includes(gpu));
  }

  #means(query: SeriesQuery, series: { id: number; gpu: string; model: string }): StoredSeries[] {
    const rows = tablesOver(query.tier, query.measurement, query.fromS, query.toS)
      .filter((table) => this.#exists(table))
      .flatMap((table) => this.db.all(meansSql(table, query.stepS), series.id, query.fromS, query.toS));
    const labels = series.gpu === '' ? {} : { gpu: series.gpu, model: series.model };
    return columnsOf(query.measurement)
      .map((name, index) => ({ name, labels, points: rows.filter((row) => row[index + 1] !== null).map((row): [number, number] => [Number(row[0]), Number(row[index + 1])]) }))
      .filter(({ points }) => points.length > 0);
  }
}

const partsOf = ({ node, gpu = '', model = '', slot = '' }: PointTags): string[] => [node, gpu, model, slot];
const keyOf = ({ measurement, tags }: Point): string => [measurement, ...partsOf(tags)].join('\n');
/** A text as SQLite writes it; a zero byte would end the statement. */
const quoted = (text: string): string => `'${text.replaceAll('\0', '').replaceAll("'", "''")}'`;

function inChunks<T>(rows: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(rows.length / ROWS_PER_STATEMENT) }, (_, index) => rows.slice(index * ROWS_PER_STATEMENT, (index + 1) * ROWS_PER_STATEMENT));
}
