import { Injectable } from '@nestjs/common';
import { makeProblem, ProblemError } from '@muster/shared-types';
import { Redis } from './redis.js';

export interface RateLimitState {
  limit: number;
  remaining: number;
  /** Seconds until the window is over. */
  resetS: number;
  windowS: number;
  allowed: boolean;
}

/** `rate_limited` with what the headers need. */
export class RateLimitedError extends ProblemError {
  constructor(readonly state: RateLimitState) {
    super(makeProblem('rate_limited', { detail: `Try again in ${state.resetS} s` }));
  }
}

interface Window {
  count: number;
  endsMs: number;
}
const MAX_LOCAL_WINDOWS = 50_000;

/**
 * Counts per fixed window in Redis, shared by all replicas. While Redis is away each process counts on its own:
 * the limits go on holding (per replica), and nobody is locked out.
 */
@Injectable()
export class RateLimit {
  readonly #local = new Map<string, Window>();

  constructor(private readonly redis: Redis) {}

  async take(bucket: string, limit: number, windowS = 60): Promise<RateLimitState> {
    const count = await this.#countInRedis(bucket, windowS).catch(() => this.#countHere(bucket, windowS));
    const resetS = Math.ceil(windowS - ((Date.now() / 1000) % windowS));
    return { limit, windowS, resetS, remaining: Math.max(0, limit - count), allowed: count <= limit };
  }

  /** Throws a `RateLimitedError` past the limit. */
  async require(bucket: string, limit: number, windowS = 60): Promise<void> {
    const state = await this.take(bucket, limit, windowS);
    if (!state.allowed) throw new RateLimitedError(state);
  }

  async #countInRedis(bucket: string, windowS: number): Promise<number> {
    const key = `rl:${bucket}:${Math.floor(Date.now() / 1000 / windowS)}`;
    const answers = await this.redis.client.multi().incr(key).expire(key, windowS + 5).exec();
    const count = answers?.[0]?.[1];
    if (typeof count !== 'number') throw new Error('Redis gave no count');
    return count;
  }

  #countHere(bucket: string, windowS: number): number {
    const now = Date.now();
    const known = this.#local.get(bucket);
    const window = known && known.endsMs > now ? known : { count: 0, endsMs: now + windowS * 1000 };
    window.count += 1;
    if (!known && this.#local.size >= MAX_LOCAL_WINDOWS) this.#local.clear();
    this.#local.set(bucket, window);
    return window.count;
  }
}
