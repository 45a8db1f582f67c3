import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { createConnection, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { InstanceSpec } from '@muster/shared-types';
import { engineObstacle, makeEnginePlace, removePlace, type EnginePlace } from '@muster/testkit/engine/engine-place';
import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import { TEST_IMAGE, writeTestImage } from '@muster/testkit/engine/test-image';
import { until } from '@muster/testkit/engine/until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerAt } from './docker-at.js';
import { startEngine } from './engine.js';
import type { Engine, ObservedInstance } from './types.js';

const exec = promisify(execFile);
const NODE = '01890000-0000-7000-8000-000000000001';
const obstacle = engineObstacle();

describe.skipIf(obstacle !== null)(`a real engine${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 60_000 }, () => {
  let place: EnginePlace;
  let engine: Engine;

  beforeAll(async () => {
    place = await makeEnginePlace({ poolGb: 6, gpus: true });
    await writeTestImage(join(place.musterHome, 'images'));
    engine = await startEngine(place);
  }, 60_000);

  afterAll(async () => {
    await engine?.stopEngine();
    if (place) await removePlace(place);
  }, 60_000);

  const running = async (changes: Partial<InstanceSpec> = {}): Promise<InstanceSpec> => {
    const spec = testInstanceSpec(changes);
    expect(await engine.create(spec, NODE)).toMatchObject({ ok: true });
    expect(await engine.start(spec.rental_id)).toMatchObject({ ok: true });
    return spec;
  };
  const seen = async (spec: InstanceSpec): Promise<ObservedInstance | undefined> => (await engine.observe())?.find((one) => one.rentalId === spec.rental_id);
  const inside = async (spec: InstanceSpec, script: string): Promise<string> => {
    const result = await engine.exec(spec.rental_id, ['sh', '-c', script]);
    if (!result.ok) throw new Error(result.fault.message);
    return result.value.output.trim();
  };
  const gone = async (spec: InstanceSpec): Promise<void> => expect(await engine.remove(spec.rental_id, { keepDisk: false })).toEqual({ ok: true });

  it('imports image archives once', async () => {
    const folder = join(place.musterHome, 'images');
    expect(await engine.hasImage(TEST_IMAGE)).toBe(false);
    expect(await engine.importArchives(folder)).toHaveLength(1);
    expect(await engine.importArchives(folder)).toEqual([]);
    expect(await engine.hasImage(TEST_IMAGE)).toBe(true);
    expect(await engine.collectImages([])).toEqual([]);
  });

  it('is ours alone: user namespace, own files, live restore', async () => {
    expect(await engine.facts()).toMatchObject({ userns: true, external: false, storageDriver: 'overlay2' });
    expect(engine.weaknesses).toEqual([]);
  });

  it('creates once, starts, shows, stops and removes an instance', async () => {
    const spec = testInstanceSpec({ resource_limits: { gpu_indices: [], gpu_uuids: [], cpu_cores: 0.5, ram_limit: '128m' } });
    const first = await engine.create(spec, NODE);
    expect(await engine.create(spec, NODE)).toEqual(first);
    expect(await seen(spec)).toMatchObject({ state: 'created', ip: null, startedAt: null, exitCode: null, nodeId: NODE, epoch: 1, diskMounted: true });
    const started = await engine.start(spec.rental_id);
    expect(await engine.start(spec.rental_id)).toEqual(started);
    expect(await seen(spec)).toMatchObject({ state: 'running', exitCode: null, ip: started.ok ? started.value.ip : '' });
    expect((await engine.logs(spec.rental_id, 10)).text).toContain('ready');
    expect(await engine.instanceStats(spec.rental_id)).toMatchObject({ ramLimitMb: 128 });
    expect(await engine.stop(spec.rental_id, 5)).toEqual({ ok: true });
    expect(await engine.stop(spec.rental_id, 5)).toEqual({ ok: true });
    expect(await seen(spec)).toMatchObject({ state: 'exited', exitCode: 0, ip: null });
    await gone(spec);
    await gone(spec);
    expect(await seen(spec)).toBeUndefined();
    expect(await engine.listDisks()).toEqual([]);
  });

  it('keeps a disk over containers when asked to', async () => {
    const spec = await running();
    await inside(spec, 'echo kept > /workspace/file');
    expect(await engine.remove(spec.rental_id, { keepDisk: true })).toEqual({ ok: true });
    expect(await engine.listDisks()).toEqual([{ rentalId: spec.rental_id, sizeBytes: 1e9, mounted: false }]);
    const again = await running({ ...spec, epoch: 2 });
    expect(await inside(again, 'cat /workspace/file')).toBe('kept');
    await gone(again);
  });

  it('replaces a container of an older epoch and refuses to go back', async () => {
    const spec = await running();
    const newer = { ...spec, epoch: 3 };
    expect(await engine.create(newer, NODE)).toMatchObject({ ok: true });
    expect(await seen(spec)).toMatchObject({ epoch: 3, state: 'created' });
    expect(await engine.create(spec, NODE)).toMatchObject({ ok: false, fault: { code: 'bad_spec' } });
    await gone(spec);
  });

  it('has keys in place before the first process and runs onstart once', async () => {
    const spec = await running({
      ssh: { authorized_keys: ['ssh-ed25519 AAAA one', 'ssh-ed25519 BBBB two'], host_private_key: 'PRIVATE' },
      onstart: 'echo ran >> /workspace/onstart',
    });
    expect(await inside(spec, 'cat /etc/ssh/authorized_keys/root')).toBe('ssh-ed25519 AAAA one\nssh-ed25519 BBBB two');
    expect(await inside(spec, 'stat -c "%a %u %g" /etc/ssh/ssh_host_ed25519_key /root/.ssh /root/.ssh/authorized_keys')).toBe('600 0 0\n700 0 0\n600 0 0');
    await until('onstart has run', async () => (await inside(spec, 'cat /workspace/onstart 2>/dev/null')) === 'ran');
    await engine.stop(spec.rental_id, 1);
    await engine.start(spec.rental_id);
    expect(await inside(spec, 'cat /workspace/onstart')).toBe('ran');
    await gone(spec);
  });

  it('never shows or touches a container that is not ours', async () => {
    const docker = dockerAt(place);
    const spec = testInstanceSpec();
    const foreign = await docker.createContainer({ name: `muster-${spec.rental_id}`, Image: TEST_IMAGE });
    expect(await seen(spec)).toBeUndefined();
    await engine.remove(spec.rental_id, { keepDisk: false });
    expect((await foreign.inspect()).Id).toBe(foreign.id);
    await foreign.remove();
  });

  it('gives each instance exactly its own GPUs, by UUID (allocation only: no device is behind the stand-in)', async () => {
    const shares = [['GPU-1'], ['GPU-2', 'GPU-3'], ['GPU-4', 'GPU-5', 'GPU-6', 'GPU-7']];
    const specs = await Promise.all(shares.map((gpu_uuids) => running({ resource_limits: { gpu_indices: [], gpu_uuids, cpu_cores: 1, ram_limit: '64m' }, env_vars: { NVIDIA_VISIBLE_DEVICES: 'all' } })));
    const none = await running();
    for (const [index, spec] of specs.entries()) {
      expect(await inside(spec, 'tr "\\0" "\\n" </proc/1/environ | grep ^NVIDIA_VISIBLE_DEVICES | sort -u')).toBe(`NVIDIA_VISIBLE_DEVICES=${shares[index]?.join(',')}`);
      expect((await seen(spec))?.gpuUuids).toEqual(shares[index]);
    }
    expect(await inside(none, 'echo $NVIDIA_VISIBLE_DEVICES')).toBe('void');
    for (const spec of [...specs, none]) await gone(spec);
  });

  it('answers ENOSPC in a full /workspace while host and neighbour go on', async () => {
    const [full, neighbour] = [await running(), await running()];
    expect(await inside(full, 'dd if=/dev/zero of=/workspace/big bs=1M 2>&1')).toContain('No space left on device');
    const use = await engine.diskUse(full.rental_id);
    expect(use && use.usedBytes / use.sizeBytes).toBeGreaterThan(0.95);
    expect(await inside(neighbour, 'echo fine > /workspace/x && cat /workspace/x')).toBe('fine');
    expect((await engine.diskFree()).poolBytes).toBeGreaterThan(1e9);
    for (const spec of [full, neighbour]) await gone(spec);
  });

  it('refuses a disk that the pool has no room for, and leaves nothing of it', async () => {
    const spec = testInstanceSpec({ disk_gb: 50 });
    expect(await engine.create(spec, NODE)).toMatchObject({ ok: false, fault: { code: 'disk_full' } });
    expect(await engine.listDisks()).toEqual([]);
    expect(await seen(spec)).toBeUndefined();
  });

  it('sees who writes its root file system past its share', async () => {
    const [greedy, modest] = [await running(), await running()];
    await inside(greedy, 'dd if=/dev/zero of=/big bs=1M count=800 2>/dev/null');
    const use = new Map((await engine.rootUsage()).map((one) => [one.rentalId, one]));
    expect(use.get(greedy.rental_id)).toMatchObject({ over: true });
    expect(use.get(modest.rental_id)).toMatchObject({ over: false });
    for (const spec of [greedy, modest]) await gone(spec);
  });

  it('explains an image that is not there, ends at once, or cannot be started', async () => {
    expect(await engine.create(testInstanceSpec({ image: 'muster/nothing:1' }), NODE)).toMatchObject({ ok: false, fault: { code: 'image_pull_failed' } });
    expect(await engine.pull('localhost:1/nothing:1')).toMatchObject({ ok: false, fault: { code: 'image_pull_failed' } });
    expect(await engine.pull('muster/nothing')).toMatchObject({ ok: false, fault: { code: 'image_pull_failed' } });

    const brief = testInstanceSpec({ command: ['sh', '-c', 'echo broken config; exit 3'] });
    await engine.create(brief, NODE);
    await engine.start(brief.rental_id);
    const ended = await until('it ended', async () => { const one = await seen(brief); return one?.state === 'exited' && one; });
    const why = await engine.exitFault(ended);
    expect(why).toMatchObject({ code: 'exited_at_once', exit_code: 3 });
    expect(why?.message).toContain('broken config');

    const wrong = testInstanceSpec({ command: ['/no/such/program'] });
    await engine.create(wrong, NODE);
    const refused = await engine.start(wrong.rental_id);
    expect(refused).toMatchObject({ ok: false, fault: { code: 'bad_spec' } });
    for (const spec of [brief, wrong]) await gone(spec);
  });

  it('ends a memory bomb with its reason', async () => {
    const bomb = await running({ command: ['sh', '-c', 'sleep 1; exec tail /dev/zero'] });
    const ended = await until('it ended', async () => { const one = await seen(bomb); return one?.state === 'exited' && one; });
    expect(await engine.exitFault(ended)).toMatchObject({ code: 'out_of_memory', exit_code: 137 });
    await gone(bomb);
  });

  it('keeps a flood of output small on disk and the engine answering', async () => {
    const flood = await running({ command: ['yes', 'a line that comes again and again'] });
    await until('the first MiB has been turned over', () => exec('ls', [join(place.stateDir, 'engine/logs')]).then(({ stdout }) => stdout.includes(`${flood.rental_id}.log.1`)));
    const { stdout } = await exec('du', ['-sb', join(place.stateDir, 'engine/logs')]);
    expect(parseInt(stdout, 10)).toBeLessThan(5e6);
    const tail = await engine.logs(flood.rental_id, 5);
    expect(tail.truncated).toBe(true);
    expect(tail.text.split('\n').length).toBeLessThanOrEqual(6);
    expect(await engine.instanceStats(flood.rental_id)).not.toBeNull();
    await gone(flood);
  });

  it('cuts a live connection at once and lets the processes go on', async () => {
    const spec = await running({ command: ['nc', '-ll', '-p', '22', '-e', 'cat'] });
    const ip = (await seen(spec))?.ip ?? '';
    await until('it listens', () => engine.probePort(spec.rental_id, 22));
    const session = createConnection({ host: ip, port: 22 });
    const closed = new Promise<void>((resolve) => session.on('close', () => resolve()).on('error', () => undefined));
    session.write('hello');
    expect(String(await new Promise((resolve) => session.once('data', resolve)))).toBe('hello');
    expect(await engine.cutAccess(spec.rental_id)).toEqual({ ok: true });
    await closed;
    expect(await engine.probePort(spec.rental_id, 22)).toBe(false);
    expect(await seen(spec)).toMatchObject({ state: 'running', accessCut: true });
    await engine.stop(spec.rental_id, 1);
    await engine.start(spec.rental_id);
    await until('a new start opens it again', () => engine.probePort(spec.rental_id, 22));
    await gone(spec);
  });

  it('has nothing left to cut of what runs without an address', async () => {
    const spec = await running();
    const id = (await seen(spec))?.containerId ?? '';
    const [network = ''] = Object.keys((await dockerAt(place).getContainer(id).inspect()).NetworkSettings.Networks);
    await dockerAt(place).getNetwork(network).disconnect({ Container: id, Force: true });
    expect(await seen(spec)).toMatchObject({ state: 'running', ip: null, accessCut: true });
    expect(await engine.stop(spec.rental_id, 0)).toEqual({ ok: true });
    await gone(spec);
  });

  it('probes for a banner', async () => {
    const spec = await running({ command: ['nc', '-ll', '-p', '22', '-e', 'echo', 'SSH-2.0-x'] });
    await until('the banner', () => engine.probePort(spec.rental_id, 22, { banner: 'SSH-' }));
    expect(await engine.probePort(spec.rental_id, 22, { banner: 'HTTP', timeoutMs: 500 })).toBe(false);
    expect(await engine.probePort(spec.rental_id, 23, { banner: 'SSH-', timeoutMs: 500 })).toBe(false);
    await gone(spec);
  });

  it('puts its rules back when another hand has removed or changed them', async () => {
    const table = `muster_${place.bridge}`;
    const settled = (): Promise<unknown> => until('nothing is left to do', async () => !(await engine.ensureFirewall()));
    await settled();
    await exec('nft', ['delete', 'table', 'inet', table]);
    expect(await engine.ensureFirewall()).toBe(true);
    await exec('nft', ['flush', 'chain', 'inet', table, 'input']);
    expect(await engine.ensureFirewall()).toBe(true);
    await settled();
  });

  it('tells when an instance ends without being asked', async () => {
    const events: string[] = [];
    const stop = engine.onEvent((event) => { if (event.kind === 'instance') events.push(`${event.action} ${event.rentalId}`); });
    const spec = await running({ command: ['sh', '-c', 'sleep 0.3'] });
    await until('the event', () => events.includes(`die ${spec.rental_id}`));
    stop();
    await gone(spec);
  });

  it('cancels a pull from a registry that never answers', async () => {
    const registry = createServer(() => undefined);
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
    const abort = new AbortController();
    const pull = engine.pull(`127.0.0.1:${(registry.address() as AddressInfo).port}/slow/image:1`, { signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    expect(await pull).toMatchObject({ ok: false, fault: { code: 'image_pull_failed' } });
    registry.close();
  });

  it('notes the sysctls it changed', async () => {
    const forward = (await readFile('/proc/sys/net/ipv4/ip_forward', 'utf8')).trim();
    expect(forward).toBe('1');
    await mkdir(join(place.musterHome, 'undo'), { recursive: true });
    const undo = await readFile(join(place.musterHome, 'undo/sysctls'), 'utf8').catch(() => '');
    expect(undo).toMatch(/^(net\.ipv4\.ip_forward=0\n)?$/);
  });
});
