import { randomUUID } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { EVENTS_CHANNEL } from '../../platform/outbox.js';
import { Redis } from '../../platform/redis.js';

const CHANNEL = 'jobs-wake';
/** Other replicas are told at most this often: each of them looks anyway every few seconds. */
const TELL_EVERY_MS = 50;

const NODE_EVENT = /"name":"Node(?:Online|Offline)"|"action":"node\./;

/** Says that there may be something to lease: copies were made, a node has room, one came online. Losing it costs seconds. */
@Injectable()
export class SchedulerWake implements OnApplicationBootstrap {
  #listener: () => void = () => undefined;
  #nodeListener: (nodeId: string) => void = () => undefined;
  readonly #self = randomUUID();
  #toldMs = -Infinity;

  constructor(private readonly redis: Redis) {}

  onApplicationBootstrap(): void {
    void this.redis.subscribe(EVENTS_CHANNEL, (message) => this.#heard(message));
    void this.redis.subscribe(CHANNEL, (from) => from !== this.#self && this.#listener());
  }

  onNodeChanged(listener: (nodeId: string) => void): void {
    this.#nodeListener = listener;
  }

  onWake(listener: () => void): void {
    this.#listener = listener;
  }

  /** What happened to a node, on whichever replica: listed, priced, online. Most events are of jobs and are not even parsed. */
  #heard(message: string): void {
    if (!NODE_EVENT.test(message)) return;
    const { aggregateId } = JSON.parse(message) as { aggregateId: string };
    this.#nodeListener(aggregateId);
    this.#listener();
  }

  /** Call it after the commit. */
  wake(): void {
    this.#listener();
    const now = performance.now();
    if (now - this.#toldMs < TELL_EVERY_MS || this.redis.client.status !== 'ready') return;
    this.#toldMs = now;
    // Other replicas look every few seconds by themselves.
    this.redis.publish(CHANNEL, this.#self).catch(() => undefined);
  }
}
