import type { Readable } from 'node:stream';
import type { Result } from '@muster/shared-types';

/** What was stored: its length in bytes and the SHA-256 of them, in hex. */
export interface Written {
  size: number;
  sha256: string;
}

export interface PutOptions {
  /** More bytes than this are refused with `payload_too_large`. */
  maxBytes?: number;
  /** Other bytes than these are refused with `bad_result`. */
  sha256?: string;
}

/** First and last byte, both included, as in HTTP. */
export interface ByteRange {
  first: number;
  last: number;
}

export interface Stored {
  /** Length of the whole object, also when a range of it was asked for. */
  size: number;
  body: Readable;
}

export interface SignedPutOptions {
  ttlS: number;
  maxBytes: number;
  /** Only these bytes are taken. */
  sha256?: string;
}

/** How to put: HTTP PUT of the bytes to `url`, with these headers. */
export interface SignedPut {
  url: string;
  headers: Record<string, string>;
}

/**
 * Where inputs and results lie. Keys are paths like `results/<job>/<execution>.tar` (`isKey` in `key.rules.ts`); none is
 * the folder of another. An object appears whole or not at all, and stays once `put` has resolved, also after a power cut.
 */
export abstract class Storage {
  /** Replaces what was there. Rejects when the source does; then nothing is stored. */
  abstract put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<Result<Written>>;
  /** Undefined when there is no such object. */
  abstract get(key: string, range?: ByteRange): Promise<Stored | undefined>;
  /** Length in bytes; undefined when there is no such object. */
  abstract stat(key: string): Promise<number | undefined>;
  /** One object, or with a slash at the end everything below. What is not there is no error. */
  abstract delete(keyOrFolder: string): Promise<void>;
  /** Removes what crashes left half written. */
  abstract sweep(now: Date): Promise<void>;
  /** A URL that whoever holds it may GET for `ttlS` seconds. */
  abstract signedGet(key: string, ttlS: number): Promise<string>;
  /** A URL that takes an HTTP PUT of the bytes, for `ttlS` seconds. A second PUT replaces the first. Headers are needed only with `sha256`. */
  abstract signedPut(key: string, options: SignedPutOptions): Promise<SignedPut>;
}
