import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { InstanceSpec } from '@muster/shared-types';
import { engineObstacle, makeEnginePlace, removePlace, type EnginePlace } from '@muster/testkit/engine/engine-place';
import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import { writeTestImage } from '@muster/testkit/engine/test-image';
import { until } from '@muster/testkit/engine/until';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findDaemon, findOwnProcesses } from './daemons.js';
import { cleanEngine, startEngine } from './engine.js';
import { enginePaths, type EnginePaths } from './engine-paths.js';
import type { Engine, EngineEvent } from './types.js';

const exec = promisify(execFile);
const NODE = '01890000-0000-7000-8000-000000000003';
const obstacle = engineObstacle();

describe.skipIf(obstacle !== null)(`an engine that is hit${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 90_000 }, () => {
  let place: EnginePlace;
  let paths: EnginePaths;
  let engine: Engine;
  let spec: InstanceSpec;
  let events: EngineEvent[];

  const start = async (): Promise<void> => {
    engine = await startEngine(place);
    events = [];
    engine.onEvent((event) => events.push(event));
  };

  beforeEach(async () => {
    place = await makeEnginePlace({ poolGb: 3 });
    paths = enginePaths(place);
    await writeTestImage(join(place.musterHome, 'images'));
    await start();
    await engine.importArchives(join(place.musterHome, 'images'));
    spec = testInstanceSpec();
    expect(await engine.create(spec, NODE)).toMatchObject({ ok: true });
    expect(await engine.start(spec.rental_id)).toMatchObject({ ok: true });
  }, 90_000);

  afterEach(async () => {
    await engine.stopEngine();
    await removePlace(place);
  }, 90_000);

  const startedAt = async (): Promise<string | null | undefined> => (await engine.observe())?.find((one) => one.rentalId === spec.rental_id)?.startedAt;
  const kill = async (name: string): Promise<void> => {
    const daemon = await findDaemon(paths, name);
    if (!daemon) throw new Error(`${name} does not run`);
    process.kill(daemon.pid, 'SIGKILL');
  };
  const backUp = (): Promise<unknown> => until('the engine is back', () => events.some((event) => event.kind === 'up') && engine.healthy());

  /** What is left on the machine of this engine. */
  const remains = async (): Promise<Record<string, string[]>> => {
    const [mounts, links, tables, loops] = await Promise.all([
      readFile('/proc/self/mountinfo', 'utf8'),
      readdir('/sys/class/net'),
      exec('nft', ['list', 'tables']).then((answer) => answer.stdout),
      exec('losetup', ['-n', '-O', 'BACK-FILE']).then((answer) => answer.stdout),
    ]);
    return {
      processes: (await findOwnProcesses(paths)).map((process) => process.argv.join(' ')),
      mounts: mounts.split('\n').filter((line) => line.includes(place.musterHome) || line.includes(paths.runDir)),
      links: links.filter((link) => link === place.bridge),
      tables: tables.split('\n').filter((line) => line.includes(place.bridge)),
      loops: loops.split('\n').filter((line) => line.includes(place.musterHome)),
      run: await readdir('/run/muster').then((keys) => keys.filter((key) => paths.runDir.endsWith(key))),
    };
  };
  const NOTHING = { processes: [], mounts: [], links: [], tables: [], loops: [], run: [] };

  it.each(['dockerd', 'containerd'])('comes back by itself after kill -9 of %s, and the instance never notices', async (name) => {
    const before = await startedAt();
    await kill(name);
    await backUp();
    expect(events.map((event) => event.kind).filter((kind) => kind !== 'instance').slice(0, 2)).toEqual(['down', 'up']);
    expect(await startedAt()).toBe(before);
    expect(await engine.exec(spec.rental_id, ['echo', 'fine'])).toMatchObject({ ok: true, value: { output: 'fine\n' } });
    expect(await engine.stop(spec.rental_id, 5)).toEqual({ ok: true });
    expect(await engine.start(spec.rental_id)).toMatchObject({ ok: true });
  });

  it('says that nothing is known, not that nothing is there, while the engine is dead', async () => {
    await engine.detach();
    await kill('dockerd');
    await until('it is dead', async () => (await findDaemon(paths, 'dockerd')) === undefined);
    expect(await engine.observe()).toBeNull();
    expect(await engine.remove(spec.rental_id, { keepDisk: false })).toMatchObject({ ok: false, fault: { code: 'engine_down' } });
    expect(await engine.create(testInstanceSpec(), NODE)).toMatchObject({ ok: false, fault: { code: 'engine_down' } });
    expect(await engine.listImages()).toEqual([]);
    expect(await engine.rootUsage()).toEqual([]);
    expect(await engine.instanceStats(spec.rental_id)).toBeNull();
    expect((await engine.listDisks()).map((disk) => disk.rentalId)).toEqual([spec.rental_id]);
  });

  it('is adopted by the next agent with all that runs in it', async () => {
    const before = await startedAt();
    const pid = (await findDaemon(paths, 'dockerd'))?.pid;
    await engine.detach();
    await start();
    expect((await findDaemon(paths, 'dockerd'))?.pid).toBe(pid);
    expect(await startedAt()).toBe(before);
    expect(await engine.observe()).toHaveLength(1);
  });

  it('leaves nothing behind when it is stopped, and keeps disks and images for the next time', async () => {
    await engine.stopEngine();
    expect(await remains()).toEqual(NOTHING);
    await start();
    expect(await engine.observe()).toEqual([]);
    expect(await engine.hasImage(spec.image)).toBe(true);
    expect(await engine.listDisks()).toEqual([{ rentalId: spec.rental_id, sizeBytes: 1e9, mounted: false }]);
  });

  it('is cleaned away after agent and engine were killed', async () => {
    await engine.detach();
    for (const name of ['dockerd', 'containerd']) await kill(name);
    await cleanEngine(place);
    expect(await remains()).toEqual(NOTHING);
    await cleanEngine(place);
    await start();
    expect(await engine.observe()).toEqual([]);
  });

  it('is cleaned away even when its engine cannot be started again', async () => {
    await engine.detach();
    for (const name of ['dockerd', 'containerd']) await kill(name);
    await cleanEngine({ ...place, dockerdPath: '/bin/false' });
    expect(await remains()).toEqual(NOTHING);
  });

  it('is cleaned away with a disk that a killed agent had attached and not yet mounted', async () => {
    const image = join(paths.disks, 'half-made.img');
    await exec('truncate', ['-s', '1M', image]);
    await exec('losetup', ['--find', image]);
    await engine.stopEngine();
    expect(await remains()).toEqual(NOTHING);
  });

  it('can use an engine of someone else, says what is weaker, and leaves it as it was', async () => {
    const place2 = { ...(await makeEnginePlace({ poolGb: 2 })), externalHost: `unix://${paths.socket}` };
    const guest = await startEngine(place2);
    const other = testInstanceSpec();
    expect(guest.weaknesses.length).toBeGreaterThan(0);
    expect(await guest.facts()).toMatchObject({ external: true });
    expect(await guest.create(other, NODE)).toMatchObject({ ok: true });
    expect(await guest.start(other.rental_id)).toMatchObject({ ok: true });
    expect(await guest.exec(other.rental_id, ['sh', '-c', 'echo x > /workspace/x && cat /workspace/x'])).toMatchObject({ ok: true, value: { output: 'x\n' } });
    expect((await guest.observe())?.map((one) => one.rentalId)).toEqual([other.rental_id]);
    await guest.stopEngine();
    await removePlace(place2);
    expect((await engine.observe())?.map((one) => one.rentalId)).toEqual([spec.rental_id]);
    expect(await readdir('/sys/class/net')).not.toContain(place2.bridge);
  });

  it('refuses a subnet that is in use, by name', async () => {
    const other = { ...(await makeEnginePlace()), subnet: place.subnet };
    await expect(startEngine(other)).rejects.toThrow(place.subnet);
    await cleanEngine(other);
    await removePlace(other);
    expect(await startedAt()).not.toBeUndefined();
  });

  it('lives beside another engine', async () => {
    const otherPlace = await makeEnginePlace({ poolGb: 2 });
    const other = await startEngine(otherPlace);
    expect(await other.observe()).toEqual([]);
    await other.stopEngine();
    await removePlace(otherPlace);
    expect(await engine.exec(spec.rental_id, ['echo', 'fine'])).toMatchObject({ ok: true });
    expect((await exec('nft', ['list', 'tables'])).stdout).toContain(`muster_${place.bridge}\n`);
  });
});
