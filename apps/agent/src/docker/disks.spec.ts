import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { engineObstacle, makeEnginePlace, removePlace, type EnginePlace } from '@muster/testkit/engine/engine-place';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mountPool } from './disks.js';
import { enginePaths, type EnginePaths } from './engine-paths.js';
import { isMounted, unmountBelow } from './mounts.js';

const obstacle = engineObstacle();

describe.skipIf(obstacle !== null)(`the engine's own file system${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 30_000 }, () => {
  let place: EnginePlace;
  let paths: EnginePaths;
  beforeEach(async () => {
    place = await makeEnginePlace({ poolGb: 1 });
    paths = enginePaths(place);
    await mkdir(paths.pool, { recursive: true });
  });
  afterEach(async () => {
    await unmountBelow(paths.engineDir, place.path);
    await removePlace(place);
  });

  it('has its name only once it is whole, so an agent killed while making it leaves nothing in the way', async () => {
    const seen = join(place.musterHome, 'seen');
    const spy = `#!/bin/sh\nls ${paths.engineDir} > ${seen}\nPATH=/usr/sbin:/sbin exec mkfs.ext4 "$@"\n`;
    await writeFile(join(place.musterHome, 'bin', 'mkfs.ext4'), spy, { mode: 0o755 });
    await writeFile(`${paths.poolImage}.part`, 'what a killed agent left');
    await mountPool(place, paths);
    expect((await readFile(seen, 'utf8')).trim().split('\n')).toEqual(['pool', 'pool.img.part']);
    expect(await isMounted(paths.pool)).toBe(true);
  });

  it('keeps what is in it over an unmount', async () => {
    await mountPool(place, paths);
    await writeFile(join(paths.dataRoot, 'kept'), 'kept');
    await unmountBelow(paths.pool, place.path);
    await mountPool(place, paths);
    expect(await readFile(join(paths.dataRoot, 'kept'), 'utf8')).toBe('kept');
  });
});
