import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionSpec } from '@muster/shared-types';
import { sha256Hex } from '@muster/proof';
import { engineObstacle } from '@muster/testkit/engine/engine-place';
import { until } from '@muster/testkit/frp/until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { remainsOf, reportOf, runOne, shell, testExecution } from './support/execution.js';
import { NOTHING, OPEN_MS, TestHost } from './support/host.js';

const obstacle = engineObstacle();
/** Prints before, while and after parts of the host are killed: a byte that is lost or comes twice changes the hash. */
const COUNTER = 'i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.1; done';
const COUNTED = Array.from({ length: 30 }, (_, at) => `line ${at}\n`).join('');

describe.skipIf(obstacle !== null)(`executions on a host whose parts are killed${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let host: TestHost;

  beforeAll(async () => {
    host = await TestHost.open();
  }, OPEN_MS);

  afterAll(() => host?.end(), 120_000);

  const containersOf = async ({ execution_id }: ExecutionSpec) => host.docker.listContainers({ all: true, filters: { label: [`muster.execution=${execution_id}`] } });
  const isRunning = async (spec: ExecutionSpec) => (await containersOf(spec))[0]?.State === 'running';
  const journal = () => join(host.place.musterHome, 'agent', 'tasks');
  const timesReported = ({ execution_id }: ExecutionSpec) => host.market.batches.flatMap((batch) => batch.results).filter((one) => one.execution_id === execution_id).length;
  const isNamed = ({ execution_id }: ExecutionSpec) => host.market.heartbeats.at(-1)?.executions?.some((one) => one.execution_id === execution_id);

  it.each<[string, (spec: ExecutionSpec) => Promise<boolean>]>([
    ['its order is on disk', async () => true],
    ['its container is there', async (spec) => (await containersOf(spec)).length > 0],
    ['it runs', isRunning],
  ])('the agent, when %s: it runs once to its end, and its result comes once', async (_, reached) => {
    const spec = shell(COUNTER);
    await host.market.run(spec);
    await until('the moment has come', () => reached(spec));
    await host.killAgent();
    await host.startAgent();
    await until('it is named again', () => isNamed(spec));
    expect(await reportOf(host, spec)).toMatchObject({ result: COUNTED, result_hash: sha256Hex(COUNTED), fault: null });
    expect(timesReported(spec)).toBe(1);
    await until('nothing is left', async () => (await remainsOf(host)).length === 0);
  });

  it('the agent, for as long as it takes the program to end: exit code and output are still known', async () => {
    const [good, bad] = [shell(COUNTER), shell('sleep 1; echo last words >&2; exit 5')];
    await host.market.run(good, bad);
    await until('both run', async () => (await isRunning(good)) && (await isRunning(bad)));
    await host.killAgent();
    await until('both have ended', async () => !(await isRunning(good)) && !(await isRunning(bad)));
    await host.startAgent();
    expect(await reportOf(host, good)).toMatchObject({ result: COUNTED, fault: null });
    expect(await reportOf(host, bad)).toMatchObject({ exit_code: 5, logs: 'last words\n', fault: { code: 'exit_code' } });
  });

  it('the agent, past a time limit: the next one ends it and says so', async () => {
    const spec = shell('echo begun; sleep 600', { timeout_s: 2 });
    await host.market.run(spec);
    await until('it runs', () => isRunning(spec));
    await host.killAgent();
    await host.startAgent();
    expect(await reportOf(host, spec)).toMatchObject({ logs: 'begun\n', fault: { code: 'timeout' } });
  });

  it('the agent, after an order to cancel: the next one carries it out', async () => {
    const spec = shell('sleep 600');
    await host.market.run(spec);
    await until('it runs', () => isRunning(spec));
    await host.market.send('cancel_tasks', { executions: [{ ...spec, reason: 'the job was cancelled' }] });
    await host.killAgent();
    await host.startAgent();
    expect((await reportOf(host, spec)).fault).toMatchObject({ code: 'cancelled' });
    await until('nothing is left', async () => (await remainsOf(host)).length === 0);
  });

  it('the agent, while results are not answered: the same batch comes again, and new ones after it', async () => {
    host.market.muteResults = true;
    const batches = host.market.batches.length;
    const spec = testExecution();
    await host.market.run(spec);
    const first = await until('a batch has come', () => host.market.batches[batches]);
    await host.killAgent();
    host.market.muteResults = false;
    await host.startAgent();
    const again = await until('it has come again', () => host.market.batches[batches + 1]);
    expect(again).toEqual(first);
    await runOne(host, testExecution());
    expect(host.market.batches.at(-1)?.seq).toBe(first.seq + 1);
    await until('the journal is empty', async () => [...(await readdir(join(journal(), 'runs'))), ...(await readdir(join(journal(), 'batches'))).filter((file) => file.endsWith('.json'))].length === 0);
  });

  it('the market: results wait for it, and come once', async () => {
    const specs = [testExecution(), shell('sleep 1; echo late')];
    await host.market.run(...specs);
    await host.market.close();
    await until('both have ended', async () => (await readdir(join(journal(), 'runs'))).length === 2 && (await remainsOf(host)).length === 0);
    await host.market.open();
    expect((await Promise.all(specs.map((spec) => reportOf(host, spec)))).map((one) => one.result)).toEqual(['hello\n', 'late\n']);
    expect(specs.map(timesReported)).toEqual([1, 1]);
  });

  it.each(['dockerd', 'containerd'] as const)('%s: no byte is lost, and the host goes on', async (daemon) => {
    const spec = shell(COUNTER);
    await host.market.run(spec);
    await until('it runs', () => isRunning(spec));
    await host.killDaemon(daemon);
    const other = testExecution();
    await host.market.run(other);
    expect(await reportOf(host, spec)).toMatchObject({ result: COUNTED, exit_code: 0, fault: null });
    expect((await reportOf(host, other)).result).toBe('hello\n');
    await until('nothing is left', async () => (await remainsOf(host).catch(() => ['?'])).length === 0);
  });

  it('dockerd, while programs end: each is heard of', async () => {
    for (const seconds of [0, 0.2, 0.4]) {
      const spec = shell(`sleep ${seconds}; echo words; exit 4`);
      await host.market.run(spec);
      await until('its container is there', async () => (await containersOf(spec)).length > 0);
      await host.killDaemon('dockerd');
      expect(await reportOf(host, spec)).toMatchObject({ exit_code: 4, logs: 'words\n', fault: { code: 'exit_code' } });
    }
    await until('nothing is left', async () => (await remainsOf(host).catch(() => ['?'])).length === 0);
  });

  it('a machine that is shut down with its engine says so, and leaves nothing', async () => {
    await host.agent?.signal('SIGTERM');
    await host.startAgent({ env: { MUSTER_AGENT_STOP_ENGINE: 'true' } });
    const spec = shell('sleep 600', { outputs: '/output', upload_url: `${host.market.url}/files/x` });
    await host.market.run(spec);
    await until('it runs', () => isRunning(spec));
    await host.agent?.signal('SIGTERM');
    expect(host.market.reportOf(spec)?.fault).toMatchObject({ code: 'cancelled', blame: 'node' });
    expect(host.market.goodbyes.at(-1)).toBe('host_shutdown');
    await until('nothing is left', async () => JSON.stringify(await host.remains()) === JSON.stringify(NOTHING));
  });
});
