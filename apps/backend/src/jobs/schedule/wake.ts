import { randomUUID } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Redis } from '../../platform/redis.js';

const CHANNEL = 'jobs-wake';
/** Other replicas are told at most this often: each of them looks anyway every few seconds. */
const TELL_EVERY_MS = 50;

/** Says that there may be something to lease: copies were made, a node has room, one came online. Losing it costs seconds. */
@Injectable()
export class SchedulerWake implements OnApplicationBootstrap {
  #listener: () => void = () => undefined;
  readonly #self = randomUUID();
  #toldMs = -Infinity;

  constructor(private readonly redis: Redis) {}

  onApplicationBootstrap(): void {
    void this.redis.subscribe(CHANNEL, (from) => from !== this.#self && this.#listener());
  }

  onWake(listener: () => void): void {
    this.#listener = listener;
  }

  /** Call it after the commit. */
  wake(): void {
    this.#listener();
    const now = performance.now();
    if (now - this.#toldMs < TELL_EVERY_MS || this.redis.client.status !== 'ready') return;
    this.#toldMs = now;
    this.redis.publish(CHANNEL, this.#self).catch(() => undefined);
  }
}
