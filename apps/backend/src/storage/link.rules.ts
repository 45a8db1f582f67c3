import { createHmac, timingSafeEqual } from 'node:crypto';
import { segmentOfKey } from './key.rules.js';

/** What a link of this market allows: one method on one object until its end. */
export interface Link {
  /** A link to GET serves HEAD as well. */
  method: 'GET' | 'PUT';
  key: string;
  /** Seconds since 1970. */
  expires: number;
  /** Bytes that a PUT may send. */
  maxBytes?: number;
  /** Only these bytes may be PUT. */
  sha256?: string;
}

/** The query of a link as somebody sent it. */
export interface LinkQuery {
  expires: string;
  signature: string;
  max_bytes?: string | undefined;
  sha256?: string | undefined;
}

const DOMAIN = 'muster-link-v1';

/** HMAC-SHA-256 over every part, one a line; no part can hold a line feed. */
function signatureOf(secret: Uint8Array, link: Link): Buffer {
  const { method, key, expires, maxBytes = '', sha256 = '' } = link;
  return createHmac('sha256', secret).update([DOMAIN, method, key, expires, maxBytes, sha256].join('\n')).digest();
}

/** Path and query of a link, to be put behind the URL of the market. */
export function writeLink(secret: Uint8Array, link: Link): string {
  const query = new URLSearchParams({ expires: String(link.expires) });
  if (link.maxBytes !== undefined) query.set('max_bytes', String(link.maxBytes));
  if (link.sha256 !== undefined) query.set('sha256', link.sha256);
  query.set('signature', signatureOf(secret, link).toString('base64url'));
  return `/api/v1/blobs/${segmentOfKey(link.key)}?${query.toString()}`;
}

/** What the sender may do; undefined when the link is not ours, was changed, is for another method or has ended. */
export function readLink(secret: Uint8Array, asked: { method: 'GET' | 'PUT'; key: string; query: LinkQuery }, now: Date): Link | undefined {
  const { expires, max_bytes: maxBytes, sha256, signature } = asked.query;
  if (!isCount(expires) || (maxBytes !== undefined && !isCount(maxBytes))) return undefined;
  const link: Link = {
    method: asked.method,
    key: asked.key,
    expires: Number(expires),
    ...(maxBytes === undefined ? {} : { maxBytes: Number(maxBytes) }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
  const given = Buffer.from(signature, 'base64url');
  const wanted = signatureOf(secret, link);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
  return link.expires * 1000 > now.getTime() ? link : undefined;
}

const isCount = (text: string): boolean => /^(0|[1-9]\d{0,14})$/.test(text);
