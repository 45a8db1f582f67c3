import { sha256Hex } from '@muster/proof';
import { engineObstacle } from '@muster/testkit/engine/engine-place';
import { until } from '@muster/testkit/frp/until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { remainsOf, runOne, shell, testExecution } from './support/execution.js';
import { OPEN_MS, TestHost } from './support/host.js';

const obstacle = engineObstacle();

describe.skipIf(obstacle !== null)(`executions of jobs${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let host: TestHost;

  beforeAll(async () => {
    host = await TestHost.open();
  }, OPEN_MS);

  afterAll(() => host?.end(), 120_000);

  it('prints hello, with the hash that everybody gets, and leaves nothing', async () => {
    const spec = testExecution();
    const report = await runOne(host, spec);
    expect(report).toMatchObject({
      result_hash: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
      result: 'hello\n',
      result_encoding: 'utf8',
      exit_code: 0,
      fault: null,
      logs: 'hello\n',
      image_digest: expect.stringMatching(/^sha256:/) as string,
    });
    await until('nothing is left', async () => (await remainsOf(host)).length === 0);
    await until('it is named no more', () => host.market.heartbeats.at(-1)?.executions?.length === 0);
  });

  it('says how far it is', async () => {
    const spec = shell('sleep 1');
    await host.market.run(spec);
    await until('it is told to run', () => host.market.taskUpdates.some((one) => one.execution_id === spec.execution_id && one.phase === 'running'));
    await until('it is in heartbeats', () => host.market.heartbeats.at(-1)?.executions?.some((one) => one.execution_id === spec.execution_id));
    expect((await runOne(host, spec)).result_hash).toBe(sha256Hex(''));
  });
});
