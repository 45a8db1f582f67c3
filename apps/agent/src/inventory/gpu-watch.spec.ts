import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { gpuWatch, type GpuWatch } from './gpu-watch.js';
import { nvidiaSmi } from './nvidia-smi.js';
import { runTool } from './run-tool.js';
import { gpuXml, smiXml } from './smi-fixtures.js';

let root: string;
let watch: GpuWatch | undefined;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'muster-gpus-'));
});
afterEach(async () => {
  watch?.stop();
  await rm(root, { recursive: true, force: true });
});

/** A real executable in the place of nvidia-smi. */
async function tool(body: string): Promise<string> {
  const path = join(root, 'nvidia-smi');
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

const answering = async (xml: string, caps = ''): Promise<string> => {
  await writeFile(join(root, 'report.xml'), xml);
  return tool(`case "$1" in --query-gpu*) printf '%s' '${caps}' ;; *) cat '${root}/report.xml' ;; esac`);
};
const hanging = (): Promise<string> => tool(`sleep 1000 & echo $! > '${root}/child'; echo $$ > '${root}/self'; wait`);

const two = smiXml([gpuXml({ uuid: 'GPU-a' }), gpuXml({ uuid: 'GPU-b', util: '40 %' })]);
const onError = (error: unknown): void => {
  throw error;
};
const watching = (path: string, bootId = 'boot', timeoutMs = 5_000): GpuWatch => {
  watch = gpuWatch({ smi: nvidiaSmi({ path, timeoutMs }), file: join(root, 'gpus.json'), bootId, onError });
  return watch;
};
const states = (it: GpuWatch): unknown[] => it.latest().gpus.map(({ uuid, state }) => [uuid, state]);
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

describe('runTool', () => {
  it('kills what does not answer, its children too', async () => {
    expect(await runTool(await hanging(), [], { timeoutMs: 1_500 })).toEqual({ kind: 'timed_out' });
    for (const name of ['self', 'child']) {
      const pid = Number(await readFile(join(root, name), 'utf8'));
      await vi.waitUntil(() => !isAlive(pid), { timeout: 10_000 });
    }
  });

  it('does not swallow without end', async () => {
    expect(await runTool('/usr/bin/yes', [], { maxBytes: 100_000 })).toEqual({ kind: 'too_much_output' });
  });

  it('says what is missing', async () => {
    expect(await runTool(join(root, 'none'), [])).toEqual({ kind: 'missing' });
  });
});

describe('nvidiaSmi', () => {
  it('runs once for callers that come at the same time', async () => {
    const smi = nvidiaSmi({ path: await tool(`echo x >> '${root}/starts'; exec sleep 1000`), timeoutMs: 1_000 });
    const [first, joined] = await Promise.all([smi.read(), smi.read()]);
    expect([first.ok, joined]).toEqual([false, first]);
    expect((await readFile(join(root, 'starts'), 'utf8')).split('\n').filter(Boolean)).toHaveLength(1);
  });
});

describe('gpuWatch', () => {
  it('knows an honest CPU machine', async () => {
    const snapshot = await watching(join(root, 'none')).start();
    expect(snapshot).toMatchObject({ gpus: [], fault: null });
  });

  it('reads GPUs, what they do, and what they can', async () => {
    const snapshot = await watching(await answering(two, 'GPU-a, 8.9\nGPU-b, 8.9\n')).start();
    expect(snapshot.gpus.map(({ uuid, compute_cap }) => [uuid, compute_cap])).toEqual([
      ['GPU-a', 890],
      ['GPU-b', 890],
    ]);
    expect(snapshot.samples.map(({ utilization }) => utilization)).toEqual([0, 40]);
  });

  it('calls GPUs unknown while the tool hangs, and answers all the while', async () => {
    const it = watching(await answering(two), 'boot', 2_500);
    await it.start();
    await hanging();
    const pending = it.refresh();
    expect(states(it)).toEqual([
      ['GPU-a', 'ok'],
      ['GPU-b', 'ok'],
    ]);
    await pending;
    expect(states(it)).toEqual([
      ['GPU-a', 'unknown'],
      ['GPU-b', 'unknown'],
    ]);
    expect(it.latest().fault?.kind).toBe('timed_out');
    await answering(two);
    await vi.waitUntil(async () => (await it.refresh()).fault === null, { timeout: 10_000 });
    expect(states(it)).toEqual([
      ['GPU-a', 'ok'],
      ['GPU-b', 'ok'],
    ]);
  });

  it('keeps a GPU that fell off the bus as lost, with what it was', async () => {
    const it = watching(await answering(two));
    await it.start();
    await answering(smiXml([gpuXml({ uuid: 'GPU-a' })]));
    await it.refresh();
    expect(states(it)).toEqual([
      ['GPU-a', 'ok'],
      ['GPU-b', 'lost'],
    ]);
    await answering(smiXml([gpuXml({ uuid: 'GPU-a', total: 'GPU is lost', temp: 'GPU is lost' }), gpuXml({ uuid: 'GPU-b' })]));
    await it.refresh();
    expect(it.latest().gpus[0]).toMatchObject({ state: 'lost', gpu_ram_mb: 24_564, name: 'RTX 4090' });
  });

  it('remembers over a restart of the agent, and forgets over a boot', async () => {
    await watching(await answering(two)).start();
    watch?.stop();
    await hanging();
    const same = watching(join(root, 'nvidia-smi'), 'boot', 400);
    await same.start();
    expect(states(same)).toEqual([
      ['GPU-a', 'unknown'],
      ['GPU-b', 'unknown'],
    ]);
    same.stop();
    const other = watching(join(root, 'nvidia-smi'), 'next boot', 400);
    await other.start();
    expect(other.latest()).toMatchObject({ gpus: [], fault: { kind: 'timed_out' } });
  });

  it('tells of a change and not of a measurement', async () => {
    const onChange = vi.fn();
    const path = await answering(two);
    watch = gpuWatch({ smi: nvidiaSmi({ path }), file: join(root, 'gpus.json'), bootId: 'boot', onError, onChange });
    await watch.start();
    await answering(two.replaceAll('35 C', '70 C'));
    await watch.refresh();
    expect(onChange).toHaveBeenCalledTimes(1);
    expect(watch.latest().samples[0]?.temp).toBe(70);
    await answering(two.replaceAll('35 C', 'GPU is lost'));
    await watch.refresh();
    expect(onChange).toHaveBeenCalledTimes(2);
  });
});
