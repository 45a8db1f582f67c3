import { JOB_LIMITS } from '@muster/shared-types';

export interface EncodedResult {
  result: string;
  result_encoding: 'utf8' | 'base64';
}

/**
 * Bytes as text that gives the same bytes back. NUL is valid UTF-8, and no database of the market can keep it in a text,
 * so such output counts as binary. `ignoreBOM` keeps a byte-order mark instead of dropping it.
 */
export function encodeResult(bytes: Uint8Array): EncodedResult {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.includes('\0')) return { result: text, result_encoding: 'utf8' };
  } catch {
    // Not UTF-8: binary, as below.
  }
  return { result: Buffer.from(bytes).toString('base64'), result_encoding: 'base64' };
}

/** Bytes as text for people: what is not UTF-8 is marked, NUL left out. */
export const readable = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replaceAll('\0', '');

/** The end of standard output, then of standard error, each with at least half of the room if it needs that much. */
export function logsOf(stdout: string, stderr: string, limit: number = JOB_LIMITS.logChars): string {
  const half = Math.floor(limit / 2);
  const forStderr = Math.max(half, limit - stdout.length);
  const tail = lastChars(stderr, forStderr);
  return lastChars(stdout, limit - tail.length) + tail;
}

/** Never starts with the second half of a surrogate pair. */
function lastChars(text: string, count: number): string {
  if (text.length <= count) return text;
  const start = text.length - count;
  const second = text.charCodeAt(start);
  return text.slice(second >= 0xdc00 && second <= 0xdfff ? start + 1 : start);
}
