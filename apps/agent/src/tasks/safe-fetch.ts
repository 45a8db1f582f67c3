import { lookup as resolveName } from 'node:dns/promises';
import { type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { isPublicAddress } from './public-address.rules.js';

export interface FetchPolicy {
  /** Origins that may be anywhere, and without TLS: the market's own, and what the owner of this machine named. */
  trustedOrigins: readonly string[];
  /** Test seam: how names are resolved. */
  resolve?: (name: string) => Promise<string[]>;
}

/** This machine must not go there. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
}

const MAX_REDIRECTS = 5;
const SILENCE_MS = 30_000;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * GET that reaches the internet and the trusted origins alone. A name is resolved once, every address it has must be
 * public, and the connection goes to the one that was checked, so that a second answer of its DNS changes nothing. Each
 * redirect is checked as the first URL was. Resolves with the head of the answer; the caller reads or destroys the body.
 */
export async function safeGet(url: URL, policy: FetchPolicy, signal: AbortSignal): Promise<IncomingMessage> {
  let at = url;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const answer = await send(at, policy, { method: 'GET', signal });
    const target = answer.headers.location;
    if (!REDIRECTS.has(answer.statusCode ?? 0) || target === undefined) return answer;
    answer.destroy();
    at = new URL(target, at);
  }
  throw new Error(`more than ${MAX_REDIRECTS} redirects`);
}

/** PUT under the same rules; redirects are not followed. */
export async function safePut(url: URL, body: AsyncIterable<Uint8Array>, length: number, policy: FetchPolicy, signal: AbortSignal): Promise<IncomingMessage> {
  return send(url, policy, { method: 'PUT', signal, headers: { 'content-length': length, 'content-type': 'application/x-tar' } }, body);
}

async function send(url: URL, policy: FetchPolicy, options: RequestOptions, body?: AsyncIterable<Uint8Array>): Promise<IncomingMessage> {
  const pinned = await destinationOf(url, policy);
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { ...options, agent: false, ...pinned });
  const answer = new Promise<IncomingMessage>((resolve, reject) => request.once('response', resolve).on('error', reject));
  request.setTimeout(SILENCE_MS, () => request.destroy(new Error(`no answer for ${SILENCE_MS / 1000} s`)));
  if (body === undefined) request.end();
  else await Promise.race([pour(body, request), answer]);
  const head = await answer;
  // The socket may break while the body is read: then the reader hears it, not the process.
  request.on('error', () => head.destroy());
  return head;
}

async function pour(body: AsyncIterable<Uint8Array>, request: ReturnType<typeof httpRequest>): Promise<void> {
  for await (const chunk of body) {
    if (request.destroyed) return;
    if (!request.write(chunk)) await roomIn(request);
  }
  request.end();
}

const roomIn = (request: ReturnType<typeof httpRequest>): Promise<void> =>
  new Promise((resolve) => {
    const go = (): void => {
      request.off('drain', go).off('close', go);
      resolve();
    };
    request.on('drain', go).on('close', go);
  });

/** Throws ForbiddenAddressError; else the `lookup` that keeps the connection to what was checked. */
async function destinationOf(url: URL, policy: FetchPolicy): Promise<Pick<RequestOptions, 'lookup'>> {
  if (policy.trustedOrigins.includes(url.origin)) return {};
  if (url.protocol !== 'https:') throw new ForbiddenAddressError(`only https is fetched, not ${url.protocol}`);
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(name) !== 0 ? [name] : await (policy.resolve ?? resolveAll)(name);
  const closed = addresses.find((address) => !isPublicAddress(address));
  const [first] = addresses;
  if (closed !== undefined || first === undefined) throw new ForbiddenAddressError(`${name} is not a public address${closed === undefined ? '' : ` (${closed})`}`);
  return { lookup: pinnedTo(first) };
}

const resolveAll = async (name: string): Promise<string[]> => (await resolveName(name, { all: true })).map(({ address }) => address);

/** A resolver that knows one answer. Node asks for all of them, or for one, by its options. */
function pinnedTo(address: string): NonNullable<RequestOptions['lookup']> {
  const family = isIP(address);
  return (_name, options, callback) => {
    if (options.all === true) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}
