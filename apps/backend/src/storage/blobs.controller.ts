import { pipeline } from 'node:stream/promises';
import { Controller, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { fail, ok, operations, unwrap, type OperationInput, type OperationOutput, type Result } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Input, Operation } from '../platform/operation.js';
import { isKey, keyOfSegment } from './key.rules.js';
import { LinkSecret } from './link-secret.js';
import { readLink, type Link, type LinkQuery } from './link.rules.js';
import { LocalStorage } from './local.js';
import { tooMany } from './meter.js';
import { readRange } from './range.rules.js';
import { Storage, type PutOptions, type Written } from './storage.port.js';

const { getBlob, putBlob } = operations;
/** A transfer in which nothing moves for this long is over. */
const IDLE_MS = 120_000;

/** The signed links of the local storage. With a bucket, links lead there and none of these is good. */
@Controller()
export class BlobsController {
  constructor(
    private readonly storage: Storage,
    private readonly secret: LinkSecret,
    private readonly clock: Clock,
  ) {}

  /** HEAD comes here too. */
  @Operation(getBlob)
  async get(@Input() { params, query }: OperationInput<typeof getBlob>, @Req() request: Request, @Res() response: Response): Promise<void> {
    const { key } = unwrap(this.#link('GET', params.key, query));
    const size = await this.storage.stat(key);
    if (size === undefined) return unwrap(fail('not_found'));
    const range = readRange(request.headers.range, size);
    response.setHeader('Accept-Ranges', 'bytes');
    if (range === 'unsatisfiable') {
      response.setHeader('Content-Range', `bytes */${size}`);
      return unwrap(fail('range_not_satisfiable'));
    }
    const part = range === 'whole' ? { first: 0, last: size - 1 } : range;
    if (range !== 'whole') response.status(206).setHeader('Content-Range', `bytes ${part.first}-${part.last}/${size}`);
    response.setHeader('Content-Length', part.last - part.first + 1);
    response.setHeader('Content-Type', 'application/octet-stream');
    response.setHeader('Content-Disposition', 'attachment');
    response.setHeader('Cache-Control', 'private, no-store');
    if (request.method === 'HEAD' || size === 0) return void response.end();
    await this.#send(key, part, size, response);
  }

  @Operation(putBlob)
  async put(@Input() { params, query }: OperationInput<typeof putBlob>, @Req() request: Request, @Res({ passthrough: true }) response: Response): Promise<OperationOutput<typeof putBlob>> {
    const { key, maxBytes = 0, sha256 } = unwrap(this.#link('PUT', params.key, query));
    request.setTimeout(IDLE_MS, () => request.destroy());
    const result = await this.#receive(request, key, { maxBytes, ...(sha256 === undefined ? {} : { sha256 }) });
    // What was not read of a refused upload must not be taken for the next request.
    if (!result.ok) response.shouldKeepAlive = false;
    return unwrap(result);
  }

  async #receive(request: Request, key: string, options: PutOptions & { maxBytes: number }): Promise<Result<Written>> {
    if (Number(request.headers['content-length'] ?? 0) > options.maxBytes) return tooMany(options.maxBytes);
    // The connection stays whole when the upload is refused: the answer goes out on it.
    return await this.storage.put(key, request.iterator({ destroyOnReturn: false }), options).catch((error: unknown) => {
      if (request.complete) throw error;
      return fail('invalid_request', { detail: 'The upload broke off' });
    });
  }

  #link(method: 'GET' | 'PUT', segment: string, query: LinkQuery): Result<Link> {
    const key = keyOfSegment(segment);
    const link = this.storage instanceof LocalStorage && isKey(key) ? readLink(this.secret.bytes, { method, key, query }, this.clock.now()) : undefined;
    return link ? ok(link) : fail('link_expired', { hint: 'Ask the market for the link again' });
  }

  async #send(key: string, part: { first: number; last: number }, size: number, response: Response): Promise<void> {
    const found = await this.storage.get(key, part);
    if (found?.size !== size) {
      found?.body.destroy();
      return unwrap(fail('not_found'));
    }
    await pipeline(found.body, response).catch((error: NodeJS.ErrnoException) => {
      // Who asked has gone: nobody is left to tell.
      if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    });
  }
}
