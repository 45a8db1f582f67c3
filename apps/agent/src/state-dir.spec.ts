import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { bootId, bootSeconds } from './boot-clock.js';
import { NodeFile, openStateDir, readJson, writeJson } from './state-dir.js';

const Numbered = z.object({ n: z.number() });
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'muster-state-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

describe('the state folder', () => {
  it('lets a remapped root pass through and nobody look in', async () => {
    const dir = await openStateDir(join(root, 'deep', 'agent'));
    expect(await Promise.all([dir.root, dir.docker, dir.disks, dir.frpc].map(mode))).toEqual(['711', '711', '711', '700']);
  });

  it('keeps what is there when opened again', async () => {
    const dir = await openStateDir(root);
    await writeJson(dir.node, { n: 1 });
    await openStateDir(root);
    expect(await readJson(dir.node, Numbered)).toEqual({ kind: 'ok', value: { n: 1 } });
  });
});

describe('state files', () => {
  it('are private, whole, and leave nothing else behind', async () => {
    const path = join(root, 'a.json');
    for (const n of [1, 2, 3]) await writeJson(path, { n });
    expect(await readJson(path, Numbered)).toEqual({ kind: 'ok', value: { n: 3 } });
    expect(await readdir(root)).toEqual(['a.json', 'a.json.previous']);
    expect(await Promise.all([path, `${path}.previous`].map(mode))).toEqual(['600', '600']);
  });

  it('of concurrent writers hold one of the versions', async () => {
    const path = join(root, 'a.json');
    await Promise.all(Array.from({ length: 20 }, (_, n) => writeJson(path, { n })));
    expect((await readJson(path, Numbered)).kind).toBe('ok');
    expect((await readdir(root)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('that are missing are missing', async () => {
    expect(await readJson(join(root, 'none.json'), Numbered)).toEqual({ kind: 'missing' });
  });

  it.each(['', '{"n":', '{"n":"secret"}', 'null'])('that hold %j are corrupt, and the version before is told', async (content) => {
    const path = join(root, 'a.json');
    await writeJson(path, { n: 1 });
    await writeJson(path, { n: 2 });
    await writeFile(path, content);
    const read = await readJson(path, Numbered);
    expect(read).toMatchObject({ kind: 'corrupt', previous: { n: 1 } });
    expect(JSON.stringify(read)).not.toContain('secret');
    expect(await readFile(path, 'utf8')).toBe(content);
  });

  it('reads what enrolment wrote', async () => {
    const path = join(root, 'node.json');
    const node: NodeFile = {
      node_id: '01909b6e-7f3c-7c1a-8b68-3b1a2c4d5e6f',
      cluster_id: '01909b6e-7f3c-7c1a-8b68-3b1a2c4d5e70',
      backend_url: 'http://127.0.0.1:8080',
      tunnel_server: { addr: '127.0.0.1', port: 7000, ca: 'PEM' },
    };
    await writeJson(path, node);
    expect(await readJson(path, NodeFile)).toEqual({ kind: 'ok', value: node });
  });
});

describe('the clock of a boot', () => {
  it('never goes back and names its boot', () => {
    const first = bootSeconds();
    expect(bootSeconds()).toBeGreaterThanOrEqual(first);
    expect(bootId()).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('refuses what is no uptime', async () => {
    const path = join(root, 'uptime');
    await writeFile(path, 'soon');
    expect(() => bootSeconds(path)).toThrow(/seconds/);
  });
});
