/**
 * Samples at a steady rate into a real InfluxDB that is killed in the middle and started again with its data: lines that are
 * missing at the end, and how long after it was taken a sample is in a chart. `--embedded 1`: into the file instead, without
 * an outage. Prints one JSON line; fails when a line is missing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedTelemetry } from '@muster/backend/telemetry/embedded';
import { InfluxTelemetry } from '@muster/backend/telemetry/influx';
import type { Point, Telemetry } from '@muster/backend/telemetry/telemetry.port';
import { delay, findInfluxd, startTestInflux, type TestInflux } from '@muster/testkit';
import { conditions, numbers, percentile } from './own-postgres.js';

const sizes = numbers({ rate: 2_667, seconds: 300, outage: 60, embedded: 0 });
const EVERY_S = 5;
const TICK_MS = 100;
const SERIES = sizes.rate * EVERY_S;
/** The chart that is watched; sampled every second. */
const WATCHED = 'watched';
const BEGIN_S = Math.floor(Date.now() / 1_000);
const dir = await mkdtemp(join(tmpdir(), 'muster-bench-telemetry-'));

const gpuFields = (seed: number): Record<string, number> => ({
  utilization: seed % 100, memory_used_mb: 1_000 + seed, memory_utilization: seed % 90, temp: 40 + (seed % 40), power_w: 300.5, power_limit_w: 450, clock_sm_mhz: 2_100, clock_memory_mhz: 9_501,
  fan_percent: 40, pcie_gen: 4, pcie_width: 16, pcie_rx: 1e6 + seed, pcie_tx: 2e6 + seed, throttled: 0,
});
const nodeFields = (seed: number): Record<string, number> => ({ cpu_utilization: seed % 100, load_1m: 1.5, cpu_temp: 55, ram_used_mb: 10_000 + seed, disk_used_gb: 120, net_rx: 1e6, net_tx: 2e6 });

/** One machine with two GPUs for every three series. */
function sample(series: number, atS: number): Point {
  const node = `node-${Math.floor(series / 3)}`;
  if (series % 3 === 0) return { measurement: 'node', tags: { node }, atS, fields: nodeFields(series) };
  return { measurement: 'gpu', tags: { node, gpu: `GPU-${series}`, model: 'RTX 4090' }, atS, fields: gpuFields(series) };
}

/** Each series has its own moment in every five seconds. Returns how many were written. */
async function produce(store: Telemetry): Promise<number> {
  const began = performance.now();
  let next = 0;
  let watchedS = 0;
  for (;;) {
    const elapsedMs = performance.now() - began;
    if (elapsedMs >= sizes.seconds * 1_000) return next + watchedS;
    const due = Math.floor((elapsedMs / 1_000) * sizes.rate);
    const atS = (position: number): number => BEGIN_S + Math.floor(position / sizes.rate);
    store.write(Array.from({ length: due - next }, (_, index) => sample((next + index) % SERIES, atS(next + index))));
    next = due;
    if (elapsedMs / 1_000 > watchedS) {
      store.write([{ measurement: 'node', tags: { node: WATCHED }, atS: Math.floor(Date.now() / 1_000), fields: nodeFields(watchedS) }]);
      watchedS += 1;
    }
    await delay(TICK_MS);
  }
}

interface Lag {
  atMs: number;
  seconds: number;
}

/** Twice a second: how old is the newest sample that a chart shows? */
async function watch(store: Telemetry, until: AbortSignal): Promise<Lag[]> {
  const lags: Lag[] = [];
  while (!until.aborted) {
    const nowS = Math.ceil(Date.now() / 1_000);
    const found = await store.read({ measurement: 'node', node: WATCHED, tier: 'raw', fromS: nowS - 120, toS: nowS + 1, stepS: 1 }).catch(() => undefined);
    const newest = found?.find(({ name }) => name === 'load_1m')?.points.at(-1)?.[0];
    if (newest !== undefined) lags.push({ atMs: performance.now(), seconds: Date.now() / 1_000 - newest });
    await delay(500);
  }
  return lags;
}

async function outage(server: TestInflux): Promise<[number, number]> {
  await delay(((sizes.seconds - sizes.outage) / 2) * 1_000);
  const from = performance.now();
  await server.kill();
  await delay(sizes.outage * 1_000);
  await server.restart();
  return [from, performance.now()];
}

/** Every line has one of two fields that tell them apart. */
async function linesIn({ url, token, org }: TestInflux): Promise<number> {
  const query = `from(bucket: "bench_raw") |> range(start: ${BEGIN_S - 60}) |> filter(fn: (r) => (r._measurement == "node" and r._field == "load_1m") or (r._measurement == "gpu" and r._field == "temp")) |> count() |> group() |> sum()`;
  const answer = await fetch(`${url}/api/v2/query?org=${org}`, { method: 'POST', headers: { authorization: `Token ${token}`, 'content-type': 'application/vnd.flux', accept: 'application/csv' }, body: query });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return Number(text.trim().split('\n').at(-1)?.trim().split(',').at(-1) ?? 0);
}

async function run(store: Telemetry, server: TestInflux | undefined): Promise<{ made: number; lags: Lag[]; away: [number, number]; drainS: number }> {
  const stop = new AbortController();
  const watching = watch(store, stop.signal);
  const [made, away] = await Promise.all([produce(store), server && sizes.outage > 0 ? outage(server) : ([0, 0] as [number, number])]);
  const began = performance.now();
  while (store.counts().waiting > 0) {
    await store.flush();
    await delay(100);
  }
  const drainS = (performance.now() - began) / 1_000;
  stop.abort();
  return { made, lags: await watching, away, drainS };
}

const influxd = sizes.embedded ? undefined : await findInfluxd();
if (!sizes.embedded && influxd === undefined) throw new Error('this machine cannot build influxd (Go and cargo)');
const server = influxd === undefined ? undefined : await startTestInflux(influxd);
const onTrouble = (): void => undefined;
const store = server
  ? await InfluxTelemetry.open({ ...server, bucket: 'bench', dir, maxBytes: 4e9, onTrouble })
  : await EmbeddedTelemetry.open({ dir, maxBytes: 4e9, now: () => new Date(), onTrouble });
try {
  const cpu = process.cpuUsage();
  const { made, lags, away, drainS } = await run(store, server);
  const used = process.cpuUsage(cpu);
  const counts = store.counts();
  const stored = server ? await linesIn(server) : counts.written;
  // While it is away there is no chart; from its return on the lag counts again.
  const open = lags.filter(({ atMs }) => atMs < away[0] || atMs > away[1] + 1_000).map(({ seconds }) => seconds);
  const lost = made - stored;
  console.log(JSON.stringify({
    bench: 'telemetry', store: server ? 'influxdb 2.7' : 'embedded', lines: made, lines_per_s: sizes.rate, seconds: sizes.seconds, outage_s: server ? sizes.outage : 0, lines_lost: lost, ...counts,
    chart_lag_s: { p50: percentile(open, 0.5), p99: percentile(open, 0.99), max: percentile(open, 1) }, drained_after_s: Math.round(drainS * 10) / 10,
    cpu_share_of_a_core: Math.round(((used.user + used.system) / 1e6 / sizes.seconds) * 100) / 100, rss_mb: Math.round(process.memoryUsage().rss / 2 ** 20), conditions: { ...conditions, postgres: undefined },
  }));
  if (lost !== 0) process.exitCode = 1;
} finally {
  await store.close();
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
}
