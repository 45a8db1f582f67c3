import { readdir, utimes, readFile, writeFile, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { engineObstacle, makeEnginePlace, removePlace, type EnginePlace } from '@muster/testkit/engine/engine-place';
import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import { TEST_IMAGE, writeTestImage } from '@muster/testkit/engine/test-image';
import { startTestRegistry, type TestRegistry } from '@muster/testkit/engine/test-registry';
import { until } from '@muster/testkit/engine/until';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from './engine.js';
import type { Engine, PullProgress } from './types.js';

const NODE = '01890000-0000-7000-8000-000000000004';
const obstacle = engineObstacle();

describe.skipIf(obstacle !== null)(`images of a real engine${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 60_000 }, () => {
  let place: EnginePlace;
  let engine: Engine;
  let folder: string;
  let tar: string;
  let registry: TestRegistry | undefined;

  beforeAll(async () => {
    place = await makeEnginePlace({ poolGb: 3 });
    folder = join(place.musterHome, 'images');
    await writeTestImage(folder);
    tar = join(folder, (await readdir(folder)).find((file) => file.endsWith('.tar')) ?? '');
    engine = await startEngine(place);
  }, 60_000);

  afterEach(async () => {
    await registry?.close();
    registry = undefined;
  });

  afterAll(async () => {
    await engine?.stopEngine();
    if (place) await removePlace(place);
  }, 60_000);

  it('imports an archive once, and a newer one takes over the name', async () => {
    expect(await engine.importArchives(join(place.musterHome, 'none'))).toEqual([]);
    const [first] = await engine.importArchives(folder);
    expect(await engine.importArchives(folder)).toEqual([]);
    const hash = first?.split(':')[1] ?? '';
    const description = (await readFile(join(folder, `busybox-${hash}.json`), 'utf8')).replaceAll(hash, '000000000000');
    await copyFile(tar, join(folder, 'busybox-000000000000.tar'));
    await writeFile(join(folder, 'busybox-000000000000.json'), description);
    const later = new Date(Date.now() + 60_000);
    await utimes(join(folder, 'busybox-000000000000.json'), later, later);
    expect(await engine.importArchives(folder)).toEqual(['muster/busybox:000000000000']);
    const images = await engine.listImages();
    expect(images.find((image) => image.refs.includes(TEST_IMAGE))).toMatchObject({ hash: '000000000000' });
    expect(await engine.collectImages([])).toEqual([first]);
    expect(await engine.hasImage(TEST_IMAGE)).toBe(true);
  });

  it('pulls with progress and digest, joins an equal pull, runs the image and collects it when nobody needs it', async () => {
    registry = await startTestRegistry(tar, { delayMs: 5 });
    const ref = `${registry.host}/some/image:1`;
    const steps: PullProgress[] = [];
    const pull = engine.pull(ref, { onProgress: (progress) => steps.push(progress) });
    expect(engine.pull(ref)).toBe(pull);
    const pulled = await pull;
    expect(pulled).toMatchObject({ ok: true, value: { digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) } });
    expect(steps.some((step) => step.current_bytes > 0 && step.current_bytes < step.total_bytes)).toBe(true);
    expect(steps.at(-1)).toMatchObject({ layers: 2, layers_done: 2 });

    const spec = testInstanceSpec({ image: ref });
    expect(await engine.create(spec, NODE)).toMatchObject({ ok: true });
    expect(await engine.start(spec.rental_id)).toMatchObject({ ok: true });
    expect(await engine.collectImages([])).toEqual([]);
    await engine.remove(spec.rental_id, { keepDisk: false });
    expect(await engine.collectImages([ref])).toEqual([]);
    expect(await engine.collectImages([])).toEqual([ref]);
  });

  it('keeps an image that is wanted by its digest', async () => {
    registry = await startTestRegistry(tar);
    const repository = `${registry.host}/some/image`;
    const first = await engine.pull(`${repository}:1`);
    await engine.collectImages([]);
    const ref = `${repository}@${(first.ok && first.value.digest) || ''}`;
    expect(await engine.pull(ref)).toMatchObject({ ok: true });
    expect(await engine.collectImages([ref])).toEqual([]);
    expect(await engine.hasImage(ref)).toBe(true);
    expect(await engine.collectImages([])).toHaveLength(1);
    expect(await engine.hasImage(ref)).toBe(false);
  });

  it('cancels a pull: the bytes stop', async () => {
    registry = await startTestRegistry(tar, { fillerBytes: 32 * 2 ** 20, delayMs: 20 });
    const { sentBytes, host } = registry;
    const abort = new AbortController();
    const pull = engine.pull(`${host}/big/image:1`, { signal: abort.signal });
    await until('bytes flow', () => sentBytes() > 500_000);
    abort.abort();
    expect(await pull).toMatchObject({ ok: false, fault: { code: 'image_pull_failed', message: expect.stringContaining('cancelled') } });
    await until('bytes no longer flow', async () => {
      const before = sentBytes();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return sentBytes() === before;
    });
    expect(sentBytes()).toBeLessThan(32 * 2 ** 20);
    expect(await engine.hasImage(`${host}/big/image:1`)).toBe(false);
  });

  it('gives up on an image that is larger than allowed', async () => {
    registry = await startTestRegistry(tar, { fillerBytes: 16 * 2 ** 20, delayMs: 20 });
    const pull = await engine.pull(`${registry.host}/big/image:2`, { maxBytes: 5e6 });
    expect(pull).toMatchObject({ ok: false, fault: { code: 'image_too_large' } });
  });

  it('says so when there is no such image', async () => {
    registry = await startTestRegistry(tar);
    const pull = await engine.pull(`${registry.host}/missing/image:1`);
    expect(pull).toMatchObject({ ok: false, fault: { code: 'image_pull_failed', message: expect.stringContaining('no such image') } });
  });
});
