import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InfluxDB } from '@influxdata/influxdb-client';
import { BucketsAPI, TasksAPI } from '@influxdata/influxdb-client-apis';
import { findInfluxd, startTestInflux, waitFor, type TestInflux } from '@muster/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { InfluxTelemetry } from './influx.js';
import { Spool } from './spool.js';
import type { Point } from './telemetry.port.js';

const influxd = await findInfluxd();
const BEGIN_S = Math.floor(Date.now() / 3_600_000) * 3_600 - 7_200;
const NODES = 50;

describe.skipIf(influxd === undefined)('InfluxDB (needs influxd, which MUSTER_TEST_LONG=1 builds with Go and cargo)', () => {
  let server: TestInflux;
  let dir: string;
  let bucket: string;
  let buckets = 0;
  const troubles: string[] = [];
  beforeAll(async () => {
    server = await startTestInflux(influxd ?? '');
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'muster-spool-'));
    bucket = `test${(buckets += 1)}`;
    troubles.length = 0;
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const open = (over: { maxBytes?: number; url?: string } = {}): Promise<InfluxTelemetry> =>
    InfluxTelemetry.open({ url: server.url, token: server.token, org: server.org, bucket, dir, maxBytes: 1e9, onTrouble: (words) => void troubles.push(words), ...over });
  /** One sample of each node. */
  const samples = (atS: number): Point[] => Array.from({ length: NODES }, (_, index) => ({ measurement: 'node', tags: { node: `node-${index}` }, atS, fields: { cpu_utilization: 10, load_1m: 1 } }));
  const stored = async (store: InfluxTelemetry, toS: number): Promise<number> => {
    const all = await Promise.all(Array.from({ length: NODES }, (_, index) => store.read({ measurement: 'node', node: `node-${index}`, tier: 'raw', fromS: BEGIN_S, toS, stepS: 5 })));
    return all.flat().filter(({ name }) => name === 'load_1m').reduce((sum, { points }) => sum + points.length, 0);
  };
  const nothingWaits = (store: InfluxTelemetry): Promise<unknown> =>
    waitFor(async () => {
      await store.flush();
      return store.counts().waiting === 0 || undefined;
    }, { what: 'the spool to be sent', deadlineMs: 100_000 });

  it('makes its buckets and tasks, once, and lines have the tags of the contract', async () => {
    const [first, second] = [await open(), await open()];
    const influx = new InfluxDB({ url: server.url, token: server.token });
    const made = (await new BucketsAPI(influx).getBuckets({ org: server.org, limit: 100 })).buckets?.filter(({ name }) => name.startsWith(`${bucket}_`));
    const kept = Object.fromEntries((made ?? []).map(({ name, retentionRules }) => [name, (retentionRules[0]?.everySeconds ?? 0) / 86_400]));
    expect(kept).toEqual({ [`${bucket}_raw`]: 7, [`${bucket}_1m`]: 90, [`${bucket}_1h`]: 730 });
    const tasks = (await new TasksAPI(influx).getTasks({ org: server.org, limit: 100 })).tasks?.filter(({ name }) => name.startsWith(`${bucket}_`));
    expect(tasks?.map(({ name, every, status }) => [name, every, status]).toSorted()).toEqual([[`${bucket}_1h`, '3600s', 'active'], [`${bucket}_1m`, '60s', 'active']]);
    first.write([{ measurement: 'gpu', tags: { node: 'n', gpu: 'GPU-1', model: 'RTX 4090' }, atS: BEGIN_S, fields: { temp: 60 } }, { measurement: 'instance', tags: { node: 'n', slot: '0' }, atS: BEGIN_S, fields: { up: 1 } }]);
    await first.flush();
    const query = `import "influxdata/influxdb/schema" schema.tagKeys(bucket: "${bucket}_raw", start: ${BEGIN_S - 1})`;
    const keys = await influx.getQueryApi(server.org).collectRows<{ _value: string }>(query);
    expect(keys.map((row) => row._value).filter((key) => !key.startsWith('_')).toSorted()).toEqual(['gpu', 'model', 'node', 'slot']);
    await Promise.all([first.close(), second.close()]);
  });

  it('ten minutes without a server and a restart in the middle lose no line, and the means know them all', { timeout: 240_000 }, async () => {
    const before = await open();
    before.write(samples(BEGIN_S));
    await before.flush();
    await server.kill();
    for (let step = 1; step <= 60; step += 1) before.write(samples(BEGIN_S + 5 * step));
    await before.close();
    expect(before.counts()).toEqual({ written: NODES, failed: 0, dropped: 0, waiting: 60 * NODES });
    const after = await open();
    for (let step = 61; step <= 120; step += 1) {
      after.write(samples(BEGIN_S + 5 * step));
      if (step % 20 === 0) await after.flush();
    }
    expect(after.counts().waiting).toBe(120 * NODES);
    await server.restart();
    // Nothing fresh has to come for what waits to be sent.
    await nothingWaits(after);
    after.write(samples(BEGIN_S + 605));
    await after.flush();
    expect(after.counts()).toEqual({ written: 121 * NODES, failed: 0, dropped: 0, waiting: 0 });
    expect(await stored(after, BEGIN_S + 610)).toBe(122 * NODES);
    const minutes = await waitFor(async () => (await after.read({ measurement: 'node', node: 'node-7', tier: '1m', fromS: BEGIN_S, toS: BEGIN_S + 600, stepS: 60 })).find(({ name }) => name === 'load_1m'), { what: 'means of the late lines' });
    expect(minutes.points).toHaveLength(10);
    expect(await readdir(dir)).toEqual([]);
    await after.close();
    expect(troubles.some((words) => words.includes('is back'))).toBe(true);
  });

  it('a line that it refuses is counted and holds up no other', async () => {
    const store = await open();
    store.write([...samples(BEGIN_S), { measurement: 'node', tags: { node: 'old' }, atS: BEGIN_S - 40 * 86_400, fields: { load_1m: 1 } }]);
    await store.flush();
    expect(store.counts()).toEqual({ written: NODES, failed: 1, dropped: 0, waiting: 0 });
    expect(await stored(store, BEGIN_S + 5)).toBe(NODES);
    await store.close();
  });

  it('starts without a server, and what has no room is counted', async () => {
    const store = await open({ url: 'http://127.0.0.1:9', maxBytes: 4_000 });
    for (let step = 0; step < 40; step += 1) {
      store.write(samples(BEGIN_S + 5 * step));
      await store.flush();
    }
    const { written, dropped, waiting } = store.counts();
    expect([written, dropped + waiting]).toEqual([0, 40 * NODES]);
    expect(dropped).toBeGreaterThan(0);
    expect(waiting).toBeGreaterThan(0);
    await expect(store.read({ measurement: 'node', node: 'x', tier: 'raw', fromS: BEGIN_S, toS: BEGIN_S + 5, stepS: 5 })).rejects.toThrow();
    await store.close();
  });
});

describe('the spool', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'muster-spool-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('gives back what it took, oldest first, also to the next process', async () => {
    const first = await Spool.open(dir, 1e6);
    await first.append(['a 1', 'b 2']);
    await first.append(['c 3']);
    await writeFile(join(dir, 'half-written.lp.gz.new'), 'x');
    const second = await Spool.open(dir, 1e6);
    expect(second.lines).toBe(3);
    const read: string[][] = [];
    for (let segment = second.oldest(); segment; segment = second.oldest()) {
      read.push(await second.read(segment));
      await second.remove(segment);
    }
    expect(read).toEqual([['a 1', 'b 2'], ['c 3']]);
    expect(await readdir(dir)).toEqual([]);
  });

  it('lets the oldest go when it is full, and says how many', async () => {
    const spool = await Spool.open(dir, 100);
    const dropped: number[] = [];
    for (let count = 1; count <= 5; count += 1) dropped.push(await spool.append(Array.from({ length: count }, () => `${Math.random()} ${count}`)));
    expect(spool.bytes).toBeLessThanOrEqual(200);
    expect(dropped.reduce((sum, count) => sum + count, 0) + spool.lines).toBe(15);
    const last = spool.oldest();
    expect(last && (await spool.read(last)).at(-1)).toMatch(/ [45]$/);
  });

  it('a damaged file is given up', async () => {
    const spool = await Spool.open(dir, 1e6);
    await spool.append(['a 1']);
    const segment = spool.oldest();
    await writeFile(join(dir, segment?.name ?? ''), 'damaged');
    expect(segment && (await spool.read(segment))).toEqual([]);
  });
});
