import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { Redis } from '../platform/redis.js';

const CHANNEL = 'live-interest';
/** Declarations come every 20 s; two may be lost. */
const KEPT_MS = 60_000;
const Keys = z.array(z.string().max(100)).max(100_000);

/**
 * Which rooms anybody in the market listens to, so that whoever has much to tell (every heartbeat) asks here first and
 * mostly tells nobody. Only a hint: one that is lost costs a sample of metrics.
 */
@Injectable()
export class Interest implements OnModuleInit {
  /** Until when, in monotonic milliseconds. */
  readonly #until = new Map<string, number>();

  constructor(private readonly redis: Redis) {}

  onModuleInit(): void {
    void this.redis.subscribe(CHANNEL, (text) => this.#note(Keys.parse(JSON.parse(text))));
  }

  /** Listeners of this replica; told to all. */
  declare(keys: readonly string[]): void {
    this.#forget();
    if (keys.length === 0) return;
    this.#note(keys);
    // Said again in 20 s: while Redis is away there is nobody to be told.
    this.redis.publish(CHANNEL, JSON.stringify(keys)).catch(() => undefined);
  }

  /** Nobody listens to anything: the one look that a steady heartbeat costs. */
  get isNone(): boolean {
    return this.#until.size === 0;
  }

  in(key: string): boolean {
    const until = this.#until.get(key);
    return until !== undefined && until > performance.now();
  }

  #note(keys: readonly string[]): void {
    const until = performance.now() + KEPT_MS;
    for (const key of keys) this.#until.set(key, until);
  }

  #forget(): void {
    const now = performance.now();
    for (const [key, until] of this.#until) if (until <= now) this.#until.delete(key);
  }
}
