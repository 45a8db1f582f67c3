import { createHash } from 'node:crypto';
import { fail, ok, type Result } from '@muster/shared-types';
import type { PutOptions, Written } from './storage.port.js';

/** The source was refused while it flowed; a value, thrown only through the pipe it interrupts. */
export class RefusedBytes extends Error {
  constructor(readonly refusal: Extract<Result<never>, { ok: false }>) {
    super(refusal.problem.detail ?? refusal.problem.title);
  }
}

/** Counts and hashes what flows through, and breaks off at the first byte too many. */
export class Meter {
  readonly #hash = createHash('sha256');
  #size = 0;

  constructor(private readonly options: PutOptions) {}

  async *through(source: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source instanceof Uint8Array ? [source] : source) {
      this.#size += chunk.length;
      if (this.#size > (this.options.maxBytes ?? Infinity)) throw new RefusedBytes(tooMany(this.options.maxBytes ?? 0));
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  /** Once, at the end. */
  result(): Result<Written> {
    const written = { size: this.#size, sha256: this.#hash.digest('hex') };
    const wanted = this.options.sha256;
    if (wanted === undefined || wanted === written.sha256) return ok(written);
    return fail('bad_result', { detail: 'The bytes do not have the SHA-256 that was announced', facts: { sha256: written.sha256, announced: wanted } });
  }
}

export const tooMany = (maxBytes: number): Extract<Result<never>, { ok: false }> =>
  fail('payload_too_large', { detail: `At most ${maxBytes} bytes are taken here`, facts: { max_bytes: String(maxBytes) } });

/** Runs `work`; a refusal that broke it off becomes its value. */
export async function refusedOr<T>(work: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RefusedBytes) return error.refusal;
    throw error;
  }
}
