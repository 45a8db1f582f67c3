import { Injectable, Logger } from '@nestjs/common';
import { z } from 'zod';
import { Redis } from '../../platform/redis.js';
import { afterError, afterValid, FRESH, slotsOf, type Form } from './node-form.rules.js';

const KEY = 'job-node-form';
const Stored = z.object({ speed: z.number(), quota: z.number().nullable(), validSince: z.number(), streak: z.number(), pausedUntilMs: z.number() });

/** Form of all nodes of which something is known. Here, and in Redis so that it outlives this process; losing it costs fairness only. */
@Injectable()
export class NodeForm {
  readonly #log = new Logger('NodeForm');
  readonly #forms = new Map<string, Form>();
  readonly #live = new Map<string, number>();
  readonly #unsaved = new Set<string>();

  constructor(private readonly redis: Redis) {}

  speed(nodeId: string): number {
    return this.#of(nodeId).speed;
  }

  slots(nodeId: string, now: Date): number {
    return slotsOf(this.#of(nodeId), this.#live.get(nodeId) ?? 0, now.getTime());
  }

  /** When the pause of a node that rests is over; the scheduler looks again then. */
  nextPauseEnd(now: Date): number | undefined {
    const ends = [...this.#forms.values()].map((form) => form.pausedUntilMs).filter((at) => at > now.getTime());
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** Nodes with a quota: how much they have in hand counts. */
  limited(): string[] {
    return [...this.#forms].filter(([, form]) => form.quota !== null).map(([id]) => id);
  }

  setLive(counts: ReadonlyMap<string, number>): void {
    this.#live.clear();
    for (const [id, count] of counts) this.#live.set(id, count);
  }

  failed(nodeId: string, now: Date): void {
    this.#put(nodeId, afterError(this.#of(nodeId), now.getTime()));
  }

  valid(nodeId: string, relative: number | undefined): void {
    this.#put(nodeId, afterValid(this.#of(nodeId), relative));
  }

  async load(): Promise<void> {
    const stored = await this.redis.client.hgetall(KEY).catch(() => ({}));
    for (const [id, text] of Object.entries(stored)) {
      const form = Stored.safeParse(parsed(text));
      if (form.success && !this.#forms.has(id)) this.#forms.set(id, form.data);
    }
  }

  save(): void {
    if (this.#unsaved.size === 0 || this.redis.client.status !== 'ready') return;
    const fields = [...this.#unsaved].flatMap((id) => [id, JSON.stringify(this.#of(id))]);
    this.#unsaved.clear();
    this.redis.client.hset(KEY, ...fields).catch(() => this.#log.debug('the form of nodes is not kept: Redis is away'));
  }

  #of(nodeId: string): Form {
    return this.#forms.get(nodeId) ?? FRESH;
  }

  #put(nodeId: string, form: Form): void {
    this.#forms.set(nodeId, form);
    this.#unsaved.add(nodeId);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
