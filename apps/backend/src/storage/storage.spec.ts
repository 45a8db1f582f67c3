import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '@muster/proof';
import { findVersitygw, startTestS3 } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/app.js';
import { LinkSecret } from './link-secret.js';
import { LocalStorage } from './local.js';
import { S3Storage } from './s3.js';
import { Storage } from './storage.port.js';

interface Place {
  storage: Storage;
  /** A signed link as somebody outside would follow it here. */
  reach: (url: string) => string;
  close: () => Promise<void>;
}

const versitygw = await findVersitygw();

async function localPlace(): Promise<Place> {
  const market = await createTestApp();
  return { storage: market.app.get(Storage), reach: (url) => url.replace(market.config.publicUrl, market.url), close: () => market.close() };
}

async function s3Place(): Promise<Place> {
  const server = await startTestS3(versitygw ?? '');
  return { storage: new S3Storage(server), reach: (url) => url, close: () => server.stop() };
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const places: [string, boolean, () => Promise<Place>][] = [
  ['local folder', true, localPlace],
  ['S3 (needs versitygw, which needs Go to be built)', versitygw !== undefined, s3Place],
];

for (const [name, can, open] of places) describe.skipIf(!can)(name, () => {
  let place: Place;
  let storage: Storage;
  beforeAll(async () => {
    place = await open();
    storage = place.storage;
  });
  afterAll(async () => place?.close());

  it('what was put is there: whole, its length, its parts', async () => {
    const bytes = randomBytes(100_000);
    expect(await storage.put('a/b/object', bytes)).toEqual({ ok: true, value: { size: 100_000, sha256: sha256Hex(bytes) } });
    const whole = await storage.get('a/b/object');
    expect(whole?.size).toBe(100_000);
    expect((await bytesOf(whole!.body)).equals(bytes)).toBe(true);
    expect(await storage.stat('a/b/object')).toBe(100_000);
    const part = await storage.get('a/b/object', { first: 10, last: 19 });
    expect(part?.size).toBe(100_000);
    expect((await bytesOf(part!.body)).equals(bytes.subarray(10, 20))).toBe(true);
  });

  it('nothing is there under a name nobody used', async () => {
    expect(await storage.get('a/none')).toBeUndefined();
    expect(await storage.stat('a/none')).toBeUndefined();
    expect(await storage.stat('a')).toBeUndefined();
    await storage.delete('a/none');
    await storage.delete('none/');
  });

  it('an empty object is one', async () => {
    expect(await storage.put('a/empty', new Uint8Array())).toEqual({ ok: true, value: { size: 0, sha256: sha256Hex('') } });
    expect(await storage.stat('a/empty')).toBe(0);
    expect(await bytesOf((await storage.get('a/empty'))!.body)).toHaveLength(0);
  });

  it('a second put takes the place of the first', async () => {
    await storage.put('a/twice', Buffer.from('first'));
    await storage.put('a/twice', Buffer.from('second'));
    expect(String(await bytesOf((await storage.get('a/twice'))!.body))).toBe('second');
  });

  it('a long stream, in more than one part', async () => {
    const bytes = randomBytes(18 * 1024 * 1024 + 17);
    expect(await storage.put('a/long', pieces(bytes, 70_001))).toEqual({ ok: true, value: { size: bytes.length, sha256: sha256Hex(bytes) } });
    expect((await bytesOf((await storage.get('a/long'))!.body)).equals(bytes)).toBe(true);
  });

  it.each([['short', 1_000], ['long', 17 * 1024 * 1024]])('a %s stream over the limit, or with another hash, leaves nothing', async (word, size) => {
    const bytes = randomBytes(size);
    expect(await storage.put(`a/refused-${word}`, pieces(bytes, 65_536), { maxBytes: size - 1 })).toMatchObject({ ok: false, problem: { code: 'payload_too_large' } });
    expect(await storage.put(`a/refused-${word}`, pieces(bytes, 65_536), { sha256: sha256Hex('other') })).toMatchObject({ ok: false, problem: { code: 'bad_result' } });
    expect(await storage.stat(`a/refused-${word}`)).toBeUndefined();
    expect(await storage.put(`a/refused-${word}`, pieces(bytes, 65_536), { maxBytes: size, sha256: sha256Hex(bytes) })).toMatchObject({ ok: true });
  });

  it.each([['early', 10], ['late', 17 * 1024 * 1024]])('a stream that breaks off %s leaves what was there', async (word, size) => {
    await storage.put(`a/broken-${word}`, Buffer.from('before'));
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield randomBytes(size);
      throw new Error('the line is dead');
    }
    await expect(storage.put(`a/broken-${word}`, broken())).rejects.toThrow('the line is dead');
    expect(String(await bytesOf((await storage.get(`a/broken-${word}`))!.body))).toBe('before');
  });

  it('sweeping takes nothing that was finished', async () => {
    await storage.put('a/swept', Buffer.from('x'));
    await storage.sweep(new Date(Date.now() + 2 * 86_400_000));
    expect(await storage.stat('a/swept')).toBe(1);
  });

  it('a folder is deleted with all in it, and nothing beside it', async () => {
    for (const key of ['del/one/x', 'del/one/y/z', 'del/one-more/x', 'del/single']) await storage.put(key, Buffer.from(key));
    await storage.delete('del/one/');
    await storage.delete('del/single');
    const left = await Promise.all(['del/one/x', 'del/one/y/z', 'del/one-more/x', 'del/single'].map((key) => storage.stat(key)));
    expect(left).toEqual([undefined, undefined, 14, undefined]);
  });

  it.each(['', '/', '../x', 'a/../../x', 'a//b', '.hidden', 'a/.x', 'A', 'a b', 'a\0b', 'a:b', `${'x/'.repeat(9)}y`])('%j is no key', async (key) => {
    await expect(async () => await storage.put(key, Buffer.from('x'))).rejects.toThrow('not a key');
    await expect(async () => await storage.get(key)).rejects.toThrow('not a key');
    await expect(async () => await storage.delete(key)).rejects.toThrow('not a key');
    await expect(async () => await storage.signedGet(key, 60)).rejects.toThrow('not a key');
    await expect(async () => await storage.signedPut(key, { ttlS: 60, maxBytes: 1 })).rejects.toThrow('not a key');
  });

  it('links: what is put by one is got by another, whole and in ranges', async () => {
    const bytes = randomBytes(300_000);
    const link = await storage.signedPut('links/object', { ttlS: 60, maxBytes: 300_000, sha256: sha256Hex(bytes) });
    const put = await fetch(place.reach(link.url), { method: 'PUT', body: bytes, headers: link.headers });
    expect(put.status, await put.text()).toBe(200);
    const url = place.reach(await storage.signedGet('links/object', 60));
    const got = await fetch(url);
    expect(got.status).toBe(200);
    expect(got.headers.get('content-length')).toBe('300000');
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true);
    const range = await fetch(url, { headers: { range: 'bytes=100-199' } });
    expect(range.status).toBe(206);
    expect(range.headers.get('content-range')).toBe('bytes 100-199/300000');
    expect(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(100, 200))).toBe(true);
    const tail = await fetch(url, { headers: { range: 'bytes=-5' } });
    expect(Buffer.from(await tail.arrayBuffer()).equals(bytes.subarray(-5))).toBe(true);
    expect((await fetch(url, { headers: { range: 'bytes=300000-' } })).status).toBe(416);
    expect((await fetch(place.reach(await storage.signedGet('links/none', 60)))).status).toBe(404);
  });

  it('links: other bytes than announced are not taken', async () => {
    const { url, headers } = await storage.signedPut('links/announced', { ttlS: 60, maxBytes: 100, sha256: sha256Hex('these') });
    const answer = await fetch(place.reach(url), { method: 'PUT', body: 'other', headers });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(await storage.stat('links/announced')).toBeUndefined();
  });

  it('links: changed in any part, or of another method, they are none', async () => {
    await storage.put('links/guarded', Buffer.from('secret'));
    await storage.put('links/other', Buffer.from('other'));
    const get = place.reach(await storage.signedGet('links/guarded', 60));
    const put = place.reach((await storage.signedPut('links/guarded', { ttlS: 60, maxBytes: 100 })).url);
    const refused = [
      await fetch(get.replace('guarded', 'other')),
      await fetch(get.replace(/(expires|X-Amz-Date)=(\d)/i, '$1=9')),
      await fetch(get.replace(/(signature=.)(.)/i, (_all, before: string, one: string) => before + (one === 'a' ? 'b' : 'a'))),
      await fetch(get.split('?')[0] ?? ''),
      await fetch(get, { method: 'PUT', body: 'x' }),
      await fetch(put),
      await fetch(put.replace('guarded', 'other'), { method: 'PUT', body: 'x' }),
    ];
    for (const answer of refused) expect([400, 403], answer.url).toContain(answer.status);
    expect(String(await bytesOf((await storage.get('links/guarded'))!.body))).toBe('secret');
  });
});

describe('links of the local folder', () => {
  let market: TestApp;
  let storage: Storage;
  const reach = (url: string) => url.replace(market.config.publicUrl, market.url);
  beforeAll(async () => {
    market = await createTestApp();
    storage = market.app.get(Storage);
  });
  afterAll(async () => market.close());

  it('end at their time', async () => {
    const dir = market.config.storage.kind === 'local' ? market.config.storage.dir : '';
    const early = new LocalStorage({ dir, publicUrl: market.url, linkSecret: market.app.get(LinkSecret).bytes, now: () => new Date(Date.now() - 61_000) });
    await storage.put('x/ends', Buffer.from('x'));
    const answer = await fetch(await early.signedGet('x/ends', 60));
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: 'link_expired' });
    expect((await fetch(await early.signedGet('x/ends', 120))).status).toBe(200);
  });

  it.each(['/api/v1/blobs/x:ends', '/api/v1/blobs/x:ends?expires=99999999999&signature=', '/api/v1/blobs/..%2f..%2fetc%2fpasswd', '/api/v1/blobs/:::?expires=1e9&signature=x', `/api/v1/blobs/x?expires=1&max_bytes=-1&signature=${'A'.repeat(43)}`])('%s is a problem', async (path) => {
    for (const method of ['GET', 'PUT']) expect((await market.fetch(method, path)).body).toMatchObject({ code: 'link_expired', status: 403 });
  });

  it('take no more bytes than they say, announced or not', async () => {
    const url = reach((await storage.signedPut('x/limited', { ttlS: 60, maxBytes: 1_000_000 })).url);
    const announced = await fetch(url, { method: 'PUT', body: randomBytes(1_000_001) });
    expect(await announced.json()).toMatchObject({ code: 'payload_too_large', facts: { max_bytes: '1000000' } });
    const stream = new ReadableStream({ pull: (controller) => controller.enqueue(randomBytes(65_536)) });
    const endless = await fetch(url, { method: 'PUT', body: stream, duplex: 'half' }).then((answer) => answer.status, () => 'cut');
    expect([413, 'cut']).toContain(endless);
    expect(await storage.stat('x/limited')).toBeUndefined();
    expect((await fetch(url, { method: 'PUT', body: randomBytes(1_000_000) })).status).toBe(200);
  });

  it('take JSON as the bytes it is', async () => {
    const url = reach((await storage.signedPut('x/json', { ttlS: 60, maxBytes: 2_000_000 })).url);
    const body = JSON.stringify({ text: 'x'.repeat(1_500_000) });
    const answer = await fetch(url, { method: 'PUT', body, headers: { 'content-type': 'application/json' } });
    expect(await answer.json()).toEqual({ size: body.length, sha256: sha256Hex(body) });
  });

  it('answer HEAD', async () => {
    await storage.put('x/head', Buffer.from('12345'));
    const answer = await fetch(reach(await storage.signedGet('x/head', 60)), { method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([200, '5', '']);
  });

  it('do not lead out of the folder by a link in it', async () => {
    const dir = market.config.storage.kind === 'local' ? market.config.storage.dir : '';
    await storage.put('x/real', Buffer.from('x'));
    await writeFile(join(dir, 'outside'), 'outside');
    await symlink(join(dir, 'outside'), join(dir, 'objects/x/symlink'));
    await expect(async () => await storage.get('x/symlink')).rejects.toThrow(/ELOOP/);
  });
});

it('what a crash left half written is swept after a day', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'muster-storage-'));
  const storage = new LocalStorage({ dir, publicUrl: 'http://x', linkSecret: new Uint8Array(32), now: () => new Date() });
  await storage.put('a', Buffer.from('x'));
  for (const name of ['old', 'new']) await writeFile(join(dir, 'incoming', name), 'half');
  await utimes(join(dir, 'incoming/old'), 1, 1);
  await storage.sweep(new Date());
  expect(await readdir(join(dir, 'incoming'))).toEqual(['new']);
  await rm(dir, { recursive: true });
});
