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
