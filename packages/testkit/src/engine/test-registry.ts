import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface TestRegistry {
  /** `127.0.0.1:<port>`, which Docker trusts without TLS. */
  host: string;
  /** Bytes of layers sent so far. */
  sentBytes(): number;
  close(): Promise<void>;
}

const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const CONFIG = 'application/vnd.docker.container.image.v1+json';
const LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
const CHUNK = 64 * 1024;

/** An empty tar with one incompressible file, so that a pull has something to take time over. */
function fillerTar(bytes: number): Buffer {
  const header = Buffer.alloc(512);
  header.write('filler');
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        0', 148);
  header.write('ustar\0', 257);
  header.write('00', 263);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, randomBytes(bytes), Buffer.alloc(1024)]);
}

/**
 * A read-only registry (protocol v2) that serves one image under any name and tag: the layer of a tar file and one of
 * `fillerBytes` (a multiple of 512) of noise. `delayMs` is waited between chunks of 64 KiB.
 */
export async function startTestRegistry(layerTar: string, options: { fillerBytes?: number; delayMs?: number; command?: string[] } = {}): Promise<TestRegistry> {
  const tars = [await readFile(layerTar), fillerTar(options.fillerBytes ?? 4 * 2 ** 20)];
  const layers = tars.map((tar) => gzipSync(tar, { level: 1 }));
  const config = Buffer.from(JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: options.command ?? ['/bin/sh', '-c', 'sleep 3600'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: tars.map(sha256) },
  }));
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, size: config.length, digest: sha256(config) },
    layers: layers.map((layer) => ({ mediaType: LAYER, size: layer.length, digest: sha256(layer) })),
  }));
  const blobs = new Map([config, ...layers].map((blob) => [sha256(blob), blob]));
  let sent = 0;

  const stream = async (blob: Buffer, response: ServerResponse): Promise<void> => {
    for (let at = 0; at < blob.length && !response.destroyed; at += CHUNK) {
      const chunk = blob.subarray(at, at + CHUNK);
      response.write(chunk);
      sent += chunk.length;
      if (options.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.delayMs));
    }
    response.end();
  };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const blob = blobs.get(/\/blobs\/(sha256:[0-9a-f]{64})$/.exec(path)?.[1] ?? '');
    if (path === '/v2/') return void response.end('{}');
    if (/\/manifests\/[^/]+$/.test(path) && !path.includes('/missing/')) {
      response.writeHead(200, { 'content-type': MANIFEST, 'content-length': manifest.length, 'docker-content-digest': sha256(manifest) });
      return void response.end(request.method === 'HEAD' ? undefined : manifest);
    }
    if (!blob) return void response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': blob.length });
    return void stream(blob, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sentBytes: () => sent,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
