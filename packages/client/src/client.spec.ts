import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeProblem, ProblemError } from '@muster/shared-types';
import { afterEach, describe, expect, it } from 'vitest';
import { MarketClient, UnreachableError } from './client.js';

const ID = '019aa000-0000-7000-8000-0000aaaaaaaa';

describe('client', () => {
  let server: Server | undefined;
  afterEach(() => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())));

  async function answering(status: number, body: string, type = 'application/json'): Promise<{ client: MarketClient; seen: string[] }> {
    const seen: string[] = [];
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''} ${String(request.headers['idempotency-key'] ?? '')}`);
      response.writeHead(status, { 'content-type': type }).end(body);
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return { client: new MarketClient({ url: `http://127.0.0.1:${port}`, token: 'mst_x', timeoutMs: 2_000 }), seen };
  }

  it('fills path and query, and never describes its credentials', () => {
    const wire = new MarketClient({ url: 'http://127.0.0.1:1', token: 'mst_secret' }).describe('getRentalLogs', { params: { rental_id: ID }, query: { tail_lines: 5 } });
    expect(wire.url).toBe(`http://127.0.0.1:1/api/v1/rentals/${ID}/logs?tail_lines=5`);
    expect(JSON.stringify(wire)).not.toContain('secret');
  });

  it('throws the problem of a refusal', async () => {
    const { client, seen } = await answering(404, JSON.stringify(makeProblem('not_found')), 'application/problem+json');
    await expect(client.call('getRental', { params: { rental_id: ID } })).rejects.toMatchObject({ problem: { code: 'not_found' } });
    expect(seen[0]).toContain('Bearer mst_x');
  });

  it('an answer of something else in between is told as unavailable', async () => {
    const { client } = await answering(502, '<html>');
    const error = await client.call('getBalance', {}).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ problem: { code: 'unavailable', status: 502 } });
  });

  it('asks again on a new connection when the first was cut, but never twice for what is not repeatable', async () => {
    const { client, seen } = await answering(200, JSON.stringify({ items: [] }));
    let cuts = 0;
    server?.prependListener('request', (request) => {
      if (cuts++ % 2 === 0) request.socket.destroy();
    });
    expect(await client.call('listApiKeys', {})).toEqual({ items: [] });
    expect(seen).toHaveLength(2);
    await expect(client.call('addSshKey', { body: { name: 'a', public_key: 'b' } })).rejects.toBeInstanceOf(UnreachableError);
    expect(seen).toHaveLength(3);
  });

  it('says so when nobody answers', async () => {
    const client = new MarketClient({ url: 'http://127.0.0.1:9', timeoutMs: 2_000 });
    await expect(client.call('listTemplates', {})).rejects.toBeInstanceOf(UnreachableError);
  });
});
