import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliError } from '../output/exit-codes.js';
import { layoutOf, type Layout } from './layout.js';
import { chooseSettings, type Holder, writeSettings } from './settings.js';

let folder: string;
let layout: Layout;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-settings-'));
  layout = layoutOf(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const nobody = { apiPort: undefined, running: new Set<Holder>() };

/** Listens on a port for the time of `work`. */
async function whileTaken<T>(port: number, work: () => Promise<T>): Promise<T> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await work();
  } finally {
    server.close();
    await once(server, 'close');
  }
}

describe('the ports of a market', () => {
  it('are all different and outside the documented ones for a second market', async () => {
    const { ports, bridge } = await chooseSettings(layout, nobody);
    const single = [ports.api, ports.postgres, ports.redis, ports.gate, ports.frps, ports.frps_admin];
    expect(new Set(single).size).toBe(single.length);
    expect(ports.tunnel_first).toBe(ports.frps + 1);
    expect(ports.tunnel_last).toBeLessThan(32_768);
    expect(bridge).not.toBe('mst0');
  });

  it('stay as they were chosen', async () => {
    const first = await chooseSettings(layout, nobody);
    await writeSettings(layout, first);
    expect(await chooseSettings(layout, nobody)).toEqual(first);
  });

  it('move when somebody else took one, but not when that is ourselves', async () => {
    const first = await chooseSettings(layout, nobody);
    await writeSettings(layout, first);
    await whileTaken(first.ports.api, async () => {
      expect((await chooseSettings(layout, nobody)).ports.api).not.toBe(first.ports.api);
      expect((await chooseSettings(layout, { ...nobody, running: new Set(['api']) })).ports.api).toBe(first.ports.api);
    });
  });

  it('are exactly the one asked for, or an error that says what to do', async () => {
    const { ports } = await chooseSettings(layout, nobody);
    expect((await chooseSettings(layout, { ...nobody, apiPort: ports.api })).ports.api).toBe(ports.api);
    await whileTaken(ports.api, async () => {
      await expect(chooseSettings(layout, { ...nobody, apiPort: ports.api })).rejects.toThrow(CliError);
    });
  });
});

describe('the nodes of a market', () => {
  it('are one, then as many as wished, each with a network of its own and an owner in turn', async () => {
    const first = await chooseSettings(layout, nobody);
    expect(first).toMatchObject({ nodes: 1, owners: 1, further_nodes: [] });
    await writeSettings(layout, first);
    const three = await chooseSettings(layout, { ...nobody, nodes: 3, owners: 2 });
    expect(three.further_nodes.map(({ number, owner }) => [number, owner])).toEqual([[2, 2], [3, 1]]);
    expect(new Set([three.bridge, ...three.further_nodes.map(({ bridge }) => bridge)]).size).toBe(3);
    expect(new Set([three.subnet, ...three.further_nodes.map(({ subnet }) => subnet)]).size).toBe(3);
    expect(three.bridge).toBe(first.bridge);
  });

  it('stay known when fewer are run, and come back as they were', async () => {
    const three = await chooseSettings(layout, { ...nobody, nodes: 3, owners: 3 });
    await writeSettings(layout, three);
    const one = await chooseSettings(layout, { ...nobody, nodes: 1 });
    expect(one).toMatchObject({ nodes: 1, owners: 1, further_nodes: three.further_nodes });
    await writeSettings(layout, one);
    expect(await chooseSettings(layout, { ...nobody, owners: 3 })).toEqual(three);
  });

  it('are at least as many as their owners, or an error that says what to do', async () => {
    await expect(chooseSettings(layout, { ...nobody, nodes: 2, owners: 3 })).rejects.toThrow('3 owners cannot share 2 nodes');
  });
});
