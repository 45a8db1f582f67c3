import type { IncomingMessage } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import { operations } from '@muster/shared-types';

/** Bytes go through here as they are, up to many GiB. */
const BLOBS = operations.putBlob.path.replace('{key}', '');
/** An upload may take this long; everything else that has a body, a minute. */
export const LONGEST_REQUEST_MS = 12 * 3_600_000;
const LONGEST_JSON_MS = 60_000;

const isBlob = (request: IncomingMessage): boolean => request.url?.startsWith(BLOBS) ?? false;

/** Jobs carry inputs, reports carry results. */
const LONG_JSON: readonly string[] = [operations.createJob.path, operations.quoteJob.path, operations.reportResult.path];
const isLong = (request: IncomingMessage): boolean => request.method === 'POST' && LONG_JSON.includes(request.url?.split('?')[0] ?? '');

/** What the JSON parser reads. An upload is never among it, whatever its type says. */
export function isJsonBody(request: IncomingMessage): boolean {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  return type === 'application/json' && !isBlob(request);
}
export const isLongJsonBody = (request: IncomingMessage): boolean => isJsonBody(request) && isLong(request);
export const isShortJsonBody = (request: IncomingMessage): boolean => isJsonBody(request) && !isLong(request);

/** Ends connections that send the body of a request byte by byte. */
export function cutSlowBodies(request: Request, _response: Response, next: NextFunction): void {
  if (!isBlob(request) && !request.complete) {
    const timer = setTimeout(() => request.destroy(), LONGEST_JSON_MS);
    for (const over of ['end', 'close']) request.once(over, () => clearTimeout(timer));
  }
  next();
}
