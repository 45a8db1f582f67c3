import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { StoreApi } from './store-api.js';
import { TunnelError } from './types.js';

let server: Server | undefined;
afterEach(() => new Promise<void>((resolve) => {
  if (!server) return resolve();
  server.close(() => resolve());
  server.closeAllConnections();
}));

/** Answers that the real frpc does not give on request; its usual ones are in the whole-path tests. */
async function answering(status: number, body: string): Promise<StoreApi> {
  server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return new StoreApi({ port: (server.address() as AddressInfo).port, password: 'secret' });
}

const proxy = { name: 'p1', rentalId: 'r', localIp: '127.0.0.1', localPort: 1, remotePort: 1 };

describe('StoreApi', () => {
  it('says what frpc said, and nothing of the password', async () => {
    const api = await answering(500, 'the disk is full');
    await expect(api.create(proxy)).rejects.toThrow(new TunnelError('frpc answered 500 to POST /api/store/proxies: the disk is full'));
  });

  it('takes a proxy that is not there for removed', async () => {
    await (await answering(404, 'not found')).remove('p1');
  });

  it('reads null lists and entries it does not know as empty', async () => {
    expect(await (await answering(200, '{"proxies":null,"tcp":null}')).list()).toEqual([]);
    expect(await (await answering(200, '{"udp":null}')).status()).toEqual([]);
    expect(await (await answering(200, '{"proxies":[{"name":"x","type":"udp","udp":{}}]}')).list()).toEqual([]);
  });

  it('fails as a TunnelError when nobody listens', async () => {
    const api = await answering(200, '');
    await new Promise((resolve) => server?.close(resolve));
    await expect(api.status()).rejects.toThrow(TunnelError);
  });

  it('fails as a TunnelError on an answer that is not its own', async () => {
    await expect((await answering(200, '<html>')).status()).rejects.toThrow(TunnelError);
    server?.close();
    await expect((await answering(200, '[1]')).list()).rejects.toThrow(TunnelError);
  });
});
