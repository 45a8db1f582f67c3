import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findInfluxd, startTestInflux, type TestInflux } from '@muster/testkit';
import { EmbeddedTelemetry } from './embedded.js';
import { InfluxTelemetry } from './influx.js';
import type { Point, SeriesQuery, Telemetry } from './telemetry.port.js';

/** One store with nothing of another test in it. */
interface Fixture {
  open(): Promise<Telemetry>;
  /** The same place after a restart. */
  again(): Promise<Telemetry>;
  remove(): Promise<void>;
}

/** A whole hour, some hours ago: nothing is young, nothing too old. */
const HOUR_S = Math.floor(Date.now() / 3_600_000) * 3_600 - 5 * 3_600;
const NODE = '01900000-0000-7000-8000-0000000000aa';
const troubles: string[] = [];

const nodePoint = (atS: number, cpu: number, node = NODE): Point => ({ measurement: 'node', tags: { node }, atS, fields: { cpu_utilization: cpu, ram_used_mb: 100 } });
const query = (over: Partial<SeriesQuery> = {}): SeriesQuery => ({ measurement: 'node', node: NODE, tier: 'raw', fromS: HOUR_S, toS: HOUR_S + 3_600, stepS: 60, ...over });

async function embedded(): Promise<Fixture> {
  const dir = await mkdtemp(join(tmpdir(), 'muster-telemetry-'));
  const open = (): Promise<Telemetry> => EmbeddedTelemetry.open({ dir, maxBytes: 1e9, now: () => new Date(), onTrouble: (words, error) => void troubles.push(`${words} ${String(error)}`) });
  return { open, again: open, remove: () => rm(dir, { recursive: true, force: true }) };
}

const influxd = await findInfluxd();
let server: TestInflux | undefined;
let buckets = 0;
afterAll(() => server?.stop());

async function influx(): Promise<Fixture> {
  server ??= await startTestInflux(influxd ?? '');
  const dir = await mkdtemp(join(tmpdir(), 'muster-telemetry-'));
  const bucket = `test${(buckets += 1)}`;
  const { url, token, org } = server;
  const open = (): Promise<Telemetry> => InfluxTelemetry.open({ url, token, org, bucket, dir, maxBytes: 1e9, onTrouble: (words, error) => void troubles.push(`${words} ${String(error)}`) });
  return { open, again: open, remove: () => rm(dir, { recursive: true, force: true }) };
}

const fixtures = [
  { name: 'embedded', make: embedded, missing: false },
  { name: 'InfluxDB (needs influxd, which MUSTER_TEST_LONG=1 builds with Go and cargo)', make: influx, missing: influxd === undefined },
];

describe.each(fixtures.map((one) => [one.name, one] as const))('%s', (_name, { make, missing }) => {
  let fixture: Fixture;
  let store: Telemetry;
  beforeEach(async (context) => {
    context.skip(missing);
    fixture = await make();
    store = await fixture.open();
  });
  afterEach(async () => {
    if (missing) return;
    await store.close();
    await fixture.remove();
    expect(troubles.splice(0)).toEqual([]);
  });
  const put = async (...points: Point[]): Promise<void> => {
    store.write(points);
    await store.flush();
  };
  const valuesOf = async (name: string, over: Partial<SeriesQuery> = {}): Promise<[number, number][] | undefined> => (await store.read(query(over))).find((series) => series.name === name)?.points;

  it('gives means over steps; steps without a sample are missing', async () => {
    await put(nodePoint(HOUR_S, 10), nodePoint(HOUR_S + 5, 20), nodePoint(HOUR_S + 125, 50));
    expect(await valuesOf('cpu_utilization')).toEqual([[HOUR_S, 15], [HOUR_S + 120, 50]]);
    expect(await valuesOf('ram_used_mb')).toEqual([[HOUR_S, 100], [HOUR_S + 120, 100]]);
    expect(await valuesOf('load_1m')).toBeUndefined();
  });

  it('keeps to the range: its start is in it, its end is not', async () => {
    await put(nodePoint(HOUR_S - 5, 1), nodePoint(HOUR_S, 2), nodePoint(HOUR_S + 3_600, 3));
    expect(await valuesOf('cpu_utilization')).toEqual([[HOUR_S, 2]]);
  });

  it('keeps nodes, devices and instances apart', async () => {
    const gpu = (uuid: string, temp: number): Point => ({ measurement: 'gpu', tags: { node: NODE, gpu: uuid, model: 'RTX 4090' }, atS: HOUR_S, fields: { temp } });
    const instance = (slot: string, cpu: number): Point => ({ measurement: 'instance', tags: { node: NODE, slot }, atS: HOUR_S, fields: { cpu_percent: cpu } });
    await put(nodePoint(HOUR_S, 1), nodePoint(HOUR_S, 99, '01900000-0000-7000-8000-0000000000bb'), gpu('GPU-1', 60), gpu('GPU-2', 70), instance('0', 5), instance('1', 6));
    expect(await valuesOf('cpu_utilization')).toEqual([[HOUR_S, 1]]);
    expect((await store.read(query({ measurement: 'gpu' }))).toSorted((a, b) => (a.labels.gpu ?? '').localeCompare(b.labels.gpu ?? ''))).toEqual([
      { name: 'temp', labels: { gpu: 'GPU-1', model: 'RTX 4090' }, points: [[HOUR_S, 60]] },
      { name: 'temp', labels: { gpu: 'GPU-2', model: 'RTX 4090' }, points: [[HOUR_S, 70]] },
    ]);
    expect(await valuesOf('temp', { measurement: 'gpu', gpus: ['GPU-2'] })).toEqual([[HOUR_S, 70]]);
    expect(await valuesOf('temp', { measurement: 'gpu', gpus: [] })).toBeUndefined();
    expect(await valuesOf('cpu_percent', { measurement: 'instance', slot: '1' })).toEqual([[HOUR_S, 6]]);
  });

  it('takes the later of two samples of one second', async () => {
    await put(nodePoint(HOUR_S, 10));
    await put(nodePoint(HOUR_S, 30));
    expect(await valuesOf('cpu_utilization')).toEqual([[HOUR_S, 30]]);
  });

  it('rolls up into minutes and hours', async () => {
    const samples = Array.from({ length: 1_440 }, (_, index) => nodePoint(HOUR_S + 5 * index, index < 720 ? 10 : index % 2 === 0 ? 20 : 40));
    await put(...samples);
    await store.rollUp(HOUR_S + 3 * 3_600);
    const minutes = await valuesOf('cpu_utilization', { tier: '1m', toS: HOUR_S + 7_200 });
    expect(minutes).toHaveLength(120);
    expect([minutes?.[0], minutes?.[119]]).toEqual([[HOUR_S, 10], [HOUR_S + 119 * 60, 30]]);
    expect(await valuesOf('cpu_utilization', { tier: '1h', stepS: 3_600, toS: HOUR_S + 7_200 })).toEqual([[HOUR_S, 10], [HOUR_S + 3_600, 30]]);
    expect(await valuesOf('cpu_utilization', { tier: '1m', stepS: 3_600, toS: HOUR_S + 7_200 })).toEqual([[HOUR_S, 10], [HOUR_S + 3_600, 30]]);
  });

  it('survives a restart with everything that was taken over', async () => {
    store.write([nodePoint(HOUR_S, 10)]);
    await store.close();
    store = await fixture.again();
    await store.flush();
    expect(await valuesOf('cpu_utilization')).toEqual([[HOUR_S, 10]]);
  });

  it('counts what it wrote, and takes nothing when it is closed', async () => {
    await put(nodePoint(HOUR_S, 1), nodePoint(HOUR_S + 5, 2));
    expect(store.counts()).toEqual({ written: 2, failed: 0, dropped: 0, waiting: 0 });
    await store.close();
    store.write([nodePoint(HOUR_S + 10, 3)]);
    expect(store.counts()).toMatchObject({ written: 2, dropped: 1, waiting: 0 });
  });

  it('holds tags of any text', async () => {
    const model = `RTX, "4090"=fast\\ 'one'; DROP TABLE series; é`;
    await put({ measurement: 'gpu', tags: { node: NODE, gpu: 'GPU-a b', model }, atS: HOUR_S, fields: { temp: 60 } });
    expect(await store.read(query({ measurement: 'gpu' }))).toEqual([{ name: 'temp', labels: { gpu: 'GPU-a b', model }, points: [[HOUR_S, 60]] }]);
  });
});

describe('embedded alone', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'muster-telemetry-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));
  const open = (name: string, maxBytes = 1e9): Promise<EmbeddedTelemetry> =>
    EmbeddedTelemetry.open({ dir: join(dir, name), maxBytes, now: () => new Date(), onTrouble: (words) => void troubles.push(words) });

  it('rolls up what a stop left undone, and goes on from there', async () => {
    const first = await open('rolls');
    first.write([nodePoint(HOUR_S, 10), nodePoint(HOUR_S + 60, 20)]);
    await first.rollUp(HOUR_S + 71);
    await first.close();
    const second = await open('rolls');
    second.write([nodePoint(HOUR_S + 120, 30)]);
    await second.rollUp(HOUR_S + 200);
    expect((await second.read(query({ tier: '1m' }))).find(({ name }) => name === 'cpu_utilization')?.points).toEqual([[HOUR_S, 10], [HOUR_S + 60, 20], [HOUR_S + 120, 30]]);
    await second.close();
  });

  it('puts a damaged file aside and begins anew', async () => {
    const first = await open('damaged');
    await first.close();
    // Pages that are still in the log would heal it.
    await Promise.all(['-wal', '-shm'].map((end) => rm(join(dir, 'damaged', `telemetry.db${end}`), { force: true })));
    await writeFile(join(dir, 'damaged', 'telemetry.db'), 'this is no database, and long enough to be looked at '.repeat(40));
    const second = await open('damaged');
    second.write([nodePoint(HOUR_S, 10)]);
    await second.flush();
    expect(await second.read(query())).toHaveLength(2);
    await second.close();
    expect(troubles.splice(0).join()).toMatch(/damaged/);
  });

  it('two processes share one file', async () => {
    const [first, second] = [await open('shared'), await open('shared')];
    first.write([nodePoint(HOUR_S, 10)]);
    await first.flush();
    second.write([nodePoint(HOUR_S + 60, 20)]);
    await second.flush();
    expect((await first.read(query())).find(({ name }) => name === 'cpu_utilization')?.points).toEqual([[HOUR_S, 10], [HOUR_S + 60, 20]]);
    await Promise.all([first.close(), second.close()]);
  });
});
