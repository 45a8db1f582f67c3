import { Injectable } from '@nestjs/common';
import type { Heartbeat } from '@muster/shared-types';
import { z } from 'zod';
import { Redis } from '../../platform/redis.js';

/** Kept well past every lease. */
const KEEP_S = 600;
const key = (nodeId: string): string => `execution-beat:${nodeId}`;

/** What a node last said it works on. */
export interface ExecutionBeat {
  at: Date;
  /** `<execution id> <attempt>`; null: a beat over plain HTTP that names none stands for all. */
  named: ReadonlySet<string> | null;
}

const Stored = z.object({ at: z.number(), named: z.array(z.string()).nullable() });

/**
 * Which executions the heartbeats of a node name: that extends their leases. In Redis only; a lease is written anew where it
 * would have ended (`expiry.ts`), so that a steady heartbeat costs Postgres nothing.
 */
@Injectable()
export class ExecutionBeats {
  readonly #busy = new Set<string>();

  constructor(private readonly redis: Redis) {}

  /** A heartbeat that names nothing is only written where the one before it named something. */
  async onBeat(nodeId: string, executions: Heartbeat['executions'], at: Date, via: 'socket' | 'http'): Promise<void> {
    const named = executions === undefined && via === 'http' ? null : (executions ?? []).map((one) => `${one.execution_id} ${one.attempt}`);
    const busy = named === null || named.length > 0;
    if (!busy && !this.#busy.has(nodeId)) return;
    if (busy) this.#busy.add(nodeId);
    else this.#busy.delete(nodeId);
    await this.redis.client.set(key(nodeId), JSON.stringify({ at: at.getTime(), named }), 'EX', KEEP_S);
  }

  /** The newest beat of each of these nodes; one that Redis does not know is left out. Rejects while Redis is away. */
  async of(nodeIds: readonly string[]): Promise<Map<string, ExecutionBeat>> {
    if (nodeIds.length === 0) return new Map();
    const texts = await this.redis.client.mget(...nodeIds.map(key));
    return new Map(nodeIds.flatMap((id, i) => {
      const beat = read(texts[i]);
      return beat ? [[id, beat] as const] : [];
    }));
  }
}

function read(text: string | null | undefined): ExecutionBeat | undefined {
  if (text == null) return undefined;
  const parsed = Stored.safeParse(JSON.parse(text));
  return parsed.success ? { at: new Date(parsed.data.at), named: parsed.data.named && new Set(parsed.data.named) } : undefined;
}
