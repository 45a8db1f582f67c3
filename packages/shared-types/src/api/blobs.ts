import { z } from 'zod';
import { Sha256Hex } from '../entities/job.js';
import { operation } from './operation.js';

/** What a link carries. Anything that is missing or changed makes it no link of this market: `link_expired`. */
const link = { expires: z.string().max(20).default(''), signature: z.string().max(100).default('') };
/** Slashes of the object's key are written as colons. */
const params = z.object({ key: z.string().max(800) });

/** Followed, never called by name: the market hands out these links where something is to be fetched or put. */
export const blobOperations = {
  getBlob: operation({
    method: 'GET', path: '/api/v1/blobs/{key}', tag: 'blobs', summary: 'Download by a signed link; takes one `Range`; HEAD works too', bytes: 'out',
    auth: { kind: 'signed_link' }, owner: 'none', params, query: z.object(link),
    status: 200, response: z.undefined(), problems: ['link_expired', 'not_found', 'range_not_satisfiable'],
  }),
  putBlob: operation({
    method: 'PUT', path: '/api/v1/blobs/{key}', tag: 'blobs', summary: 'Upload by a signed link; the same again replaces it', bytes: 'in',
    auth: { kind: 'signed_link' }, owner: 'none', params, query: z.object({ ...link, max_bytes: z.string().max(20).optional(), sha256: z.string().max(64).optional() }),
    status: 200, response: z.object({ size: z.number().int(), sha256: Sha256Hex }).meta({ id: 'Blob' }),
    problems: ['link_expired', 'not_found', 'payload_too_large', 'bad_result'],
  }),
} as const;
