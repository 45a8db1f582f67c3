import { HttpError, InfluxDB, Point as Line, type QueryApi, type WriteApi } from '@influxdata/influxdb-client';
import { bucketOf, meansQuery, rollUpQuery } from './flux.rules.js';
import { setUpInflux } from './influx-setup.js';
import { floorTo } from './resolution.rules.js';
import { Spool } from './spool.js';
import { Telemetry, type Point, type SeriesQuery, type StoredSeries, type TelemetryCounts } from './telemetry.port.js';

export interface InfluxOptions {
  url: string;
  token: string;
  org: string;
  /** `<bucket>_raw`, `<bucket>_1m`, `<bucket>_1h`. */
  bucket: string;
  /** Folder of the spool. */
  dir: string;
  maxBytes: number;
  onTrouble: (words: string, error?: unknown) => void;
}

const BATCH = 5_000;
const FLUSH_MS = 1_000;
const TIMEOUT_MS = 10_000;
/** More than that in memory goes to the disk, whatever the server does. */
const MOST_IN_MEMORY = 4 * BATCH;
const RETRY_MS = { first: 500, most: 5_000 } as const;
/** How far back `rollUp` looks. */
const ROLL_UP_S = 12 * 3_600;

type Outcome = 'written' | 'refused' | 'later';

/**
 * Telemetry in InfluxDB 2. Lines wait up to a second in memory and go in batches, one at a time, because the client only tells of
 * the last batch when it is flushed. While the server is away they wait on the disk. Fresh lines are sent before old ones, so that
 * charts follow at once when it is back. INVARIANT: a line is in memory, in flight, or on the disk; it is counted when it leaves.
 */
export class InfluxTelemetry extends Telemetry {
  readonly #influx: InfluxDB;
  readonly #writer: WriteApi;
  readonly #queries: QueryApi;
  #memory: string[] = [];
  #inFlight = 0;
  #written = 0;
  #failed = 0;
  #dropped = 0;
  /** Since when the server does not take lines; undefined while it does. */
  #away: { retryMs: number; nextMs: number } | undefined;
  #ready = false;
  /** Stretch of what came late out of the spool: the tasks do not look back that far. */
  #late: { fromS: number; toS: number } | undefined;
  #turn: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  /** Roll-ups of what came late: beside the turns, so that no fresh line waits for them. */
  #rolling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(
    private readonly options: InfluxOptions,
    private readonly spool: Spool,
  ) {
    super();
    const { url, token, org, bucket } = options;
    this.#influx = new InfluxDB({ url, token, timeout: TIMEOUT_MS });
    // One more than a batch: sent by `flush`, which then waits for it. Nothing is tried again behind our back.
    this.#writer = this.#influx.getWriteApi(org, bucketOf(bucket, 'raw'), 's', {
      batchSize: BATCH + 1, flushInterval: 0, maxRetries: 0, maxBufferLines: 0, writeFailed: (error) => Promise.reject(error),
    });
    this.#queries = this.#influx.getQueryApi(org);
  }

  /** Also while the server is away: then everything waits on the disk. */
  static async open(options: InfluxOptions): Promise<InfluxTelemetry> {
    const store = new InfluxTelemetry(options, await Spool.open(options.dir, options.maxBytes));
    store.#timer = setInterval(() => void store.#next(), FLUSH_MS).unref();
    await store.#next();
    return store;
  }

  override write(points: readonly Point[]): void {
    if (this.#closed) this.#dropped += points.length;
    else for (const point of points) this.#memory.push(lineOf(point));
    if (this.#memory.length >= BATCH) void this.#next();
  }

  override async read(query: SeriesQuery): Promise<StoredSeries[]> {
    if (query.gpus?.length === 0) return [];
    const rows = await this.#queries.collectRows<Row>(meansQuery(bucketOf(this.options.bucket, query.tier), query));
    return seriesOf(rows);
  }

  override flush(): Promise<void> {
    return this.#next();
  }

  override async rollUp(nowS: number): Promise<void> {
    await this.flush();
    await this.#rollUp(nowS - ROLL_UP_S, nowS);
  }

  override counts(): TelemetryCounts {
    return { written: this.#written, failed: this.#failed, dropped: this.#dropped, waiting: this.#memory.length + this.#inFlight + this.spool.lines };
  }

  override async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#queued;
    await this.#turn;
    await this.#sendMemory();
    await this.#keepMemory();
    await this.#rolling;
    await this.#writer.close().catch(() => undefined); // holds nothing
  }

  /** One turn at a time; whoever calls meanwhile waits for the one that begins after it. */
  #next(): Promise<void> {
    this.#queued ??= this.#turn.then(() => {
      this.#queued = undefined;
      this.#turn = this.#work().catch((error: unknown) => this.options.onTrouble('telemetry could not be kept', error));
      return this.#turn;
    });
    return this.#queued;
  }

  async #work(): Promise<void> {
    if (this.#away !== undefined && performance.now() < this.#away.nextMs) return await this.#keepMemory();
    if (!this.#ready) await this.#setUp();
    if (await this.#sendMemory()) await this.#sendSpool();
    if (this.#memory.length > MOST_IN_MEMORY || this.#away !== undefined) await this.#keepMemory();
  }

  async #setUp(): Promise<void> {
    try {
      await setUpInflux(this.#influx, this.options.org, this.options.bucket);
      this.#ready = true;
    } catch (error) {
      this.#isAway(error);
    }
  }

  /** False when the server does not take them. */
  async #sendMemory(): Promise<boolean> {
    while (this.#ready && this.#memory.length > 0) {
      const batch = this.#memory.splice(0, BATCH);
      this.#inFlight = batch.length;
      const outcome = await this.#send(batch);
      this.#inFlight = 0;
      if (outcome !== 'later') continue;
      this.#memory = batch.concat(this.#memory);
      return false;
    }
    return this.#ready;
  }

  /** What waits on the disk, oldest first; fresh lines in between. */
  async #sendSpool(): Promise<void> {
    for (let segment = this.spool.oldest(); segment && !this.#closed; segment = this.spool.oldest()) {
      const lines = await this.spool.read(segment);
      if (lines.length === 0) this.#dropped += segment.lines;
      else if ((await this.#send(lines)) === 'later') return;
      this.#rememberLate(lines);
      await this.spool.remove(segment);
      if (!(await this.#sendMemory())) return;
    }
    if (this.#late && this.spool.oldest() === undefined) this.#rolling ??= this.#rollUpLate().finally(() => (this.#rolling = undefined));
  }

  #rememberLate(lines: readonly string[]): void {
    const times = [lines[0], lines.at(-1)].map((line) => Number(line?.slice(line.lastIndexOf(' ') + 1))).filter(Number.isFinite);
    if (times.length === 0) return;
    this.#widenLate({ fromS: Math.min(...times), toS: Math.max(...times) });
  }

  #widenLate({ fromS, toS }: { fromS: number; toS: number }): void {
    this.#late = { fromS: Math.min(fromS, this.#late?.fromS ?? Infinity), toS: Math.max(toS, this.#late?.toS ?? 0) };
  }

  async #rollUpLate(): Promise<void> {
    const late = this.#late;
    if (!late) return;
    this.#late = undefined;
    try {
      await this.#rollUp(late.fromS, late.toS + 1);
    } catch (error) {
      this.#widenLate(late);
      this.options.onTrouble('what came late is not in the means of minutes and hours yet; it is tried again', error);
    }
  }

  async #rollUp(fromS: number, toS: number): Promise<void> {
    const { bucket } = this.options;
    await this.#queries.collectRows(rollUpQuery(bucket, 'raw', '1m', floorTo(fromS, 60), toS));
    await this.#queries.collectRows(rollUpQuery(bucket, '1m', '1h', floorTo(fromS, 3_600), toS));
  }

  async #send(lines: string[]): Promise<Outcome> {
    try {
      this.#writer.writeRecords(lines);
      await this.#writer.flush();
      this.#written += lines.length;
      this.#isBack();
      return 'written';
    } catch (error) {
      if (!isRefusal(error)) {
        this.#isAway(error);
        return 'later';
      }
      const refused = Math.min(lines.length, droppedBy(error) ?? lines.length);
      this.#failed += refused;
      this.#written += lines.length - refused;
      this.options.onTrouble(`InfluxDB refused ${refused} lines`, error);
      return 'refused';
    }
  }

  async #keepMemory(): Promise<void> {
    while (this.#memory.length > 0) {
      const batch = this.#memory.slice(0, BATCH);
      try {
        this.#dropped += await this.spool.append(batch);
      } catch (error) {
        if (this.#memory.length > 100 * BATCH) this.#dropped += this.#memory.splice(0, BATCH).length;
        throw error;
      }
      this.#memory.splice(0, batch.length);
    }
  }

  #isAway(error: unknown): void {
    if (this.#away === undefined) this.options.onTrouble('InfluxDB does not answer; samples wait on the disk', error);
    const retryMs = Math.min(RETRY_MS.most, (this.#away?.retryMs ?? RETRY_MS.first / 2) * 2);
    this.#away = { retryMs, nextMs: performance.now() + retryMs };
  }

  #isBack(): void {
    if (this.#away !== undefined) this.options.onTrouble(`InfluxDB is back; ${this.spool.lines} lines wait on the disk`);
    this.#away = undefined;
  }
}

interface Row {
  _time: string;
  _value: number;
  _field: string;
  gpu?: string;
  model?: string;
}

function seriesOf(rows: readonly Row[]): StoredSeries[] {
  const found = new Map<string, StoredSeries>();
  for (const { _time, _value, _field, gpu, model } of rows) {
    const key = `${_field}\n${gpu ?? ''}\n${model ?? ''}`;
    const series = found.get(key) ?? { name: _field, labels: { ...(gpu && { gpu }), ...(model && { model }) }, points: [] };
    found.set(key, series);
    series.points.push([Date.parse(_time) / 1_000, _value]);
  }
  return [...found.values()].map((series) => ({ ...series, points: series.points.toSorted(([a], [b]) => a - b) }));
}

function lineOf({ measurement, tags, fields, atS }: Point): string {
  const line = new Line(measurement).timestamp(atS);
  for (const [name, value] of Object.entries<string>({ ...tags })) line.tag(name, value);
  for (const [name, value] of Object.entries(fields)) line.floatField(name, value);
  return line.toLineProtocol() ?? '';
}

/** It will never take these lines: they are malformed, or older than the bucket keeps. */
const isRefusal = (error: unknown): boolean => error instanceof HttpError && [400, 413, 422].includes(error.statusCode);

function droppedBy(error: unknown): number | undefined {
  const count = /dropped=(\d+)/.exec(String(error))?.[1];
  return count === undefined ? undefined : Number(count);
}
