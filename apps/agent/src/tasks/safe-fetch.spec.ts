import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ForbiddenAddressError, safeGet, safePut } from './safe-fetch.js';

const never = new AbortController().signal;

describe('what this machine fetches', () => {
  const servers: Server[] = [];

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function serve(listener: Parameters<typeof createServer>[1]): Promise<string> {
    const server = createServer({}, listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('may lie at a trusted origin, and nowhere else on it', async () => {
    const trusted = await serve((_, response) => response.end('yes'));
    const other = await serve((_, response) => response.end('no'));
    const policy = { trustedOrigins: [trusted] };
    const answer = await safeGet(new URL(`${trusted}/x`), policy, never);
    expect(await answer.toArray()).toEqual([Buffer.from('yes')]);
    await expect(safeGet(new URL(other), policy, never)).rejects.toThrow(ForbiddenAddressError);
  });

  it('is checked again at every redirect, and not for ever', async () => {
    const origin = await serve((request, response) => response.writeHead(302, { location: request.url === '/inside' ? 'https://10.0.0.1/' : request.url === '/other' ? '/end' : '/loop' }).end());
    const policy = { trustedOrigins: [origin] };
    await expect(safeGet(new URL(`${origin}/inside`), policy, never)).rejects.toThrow(/10\.0\.0\.1 is not a public address/);
    await expect(safeGet(new URL(`${origin}/loop`), policy, never)).rejects.toThrow(/redirects/);
  });

  it.each([
    ['any of its addresses is private', ['93.184.215.14', '10.0.0.1']],
    ['it has none', []],
    ['it is this host', ['::1']],
  ])('is not fetched when %s', async (_, addresses) => {
    await expect(safeGet(new URL('https://name.example/'), { trustedOrigins: [], resolve: async () => addresses }, never)).rejects.toThrow(ForbiddenAddressError);
  });

  it('resolves a name once, and connects to what was checked', async () => {
    let asked = 0;
    const resolve = async (): Promise<string[]> => [++asked === 1 ? '240.0.0.1' : '127.0.0.1'];
    await expect(safeGet(new URL('https://name.example/'), { trustedOrigins: [], resolve }, never)).rejects.toThrow(ForbiddenAddressError);
    expect(asked).toBe(1);
  });

  it('takes back an answer that comes before everything was sent', async () => {
    const origin = await serve((_, response) => response.writeHead(413, { connection: 'close' }).end());
    async function* body(): AsyncGenerator<Buffer> {
      for (let at = 0; at < 1000; at += 1) yield Buffer.alloc(64 * 1024);
    }
    const outcome = await safePut(new URL(origin), body(), 1000 * 64 * 1024, { trustedOrigins: [origin] }, never).then((answer) => answer.statusCode, (error: { code?: string }) => error.code);
    expect([413, 'EPIPE', 'ECONNRESET']).toContain(outcome);
  });
});
