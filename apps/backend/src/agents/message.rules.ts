import { agentMessages, type FromAgent } from '@muster/shared-types';

export const AGENT_EVENTS = (Object.keys(agentMessages) as (keyof typeof agentMessages)[]).filter(
  (name): name is FromAgent => agentMessages[name].direction !== 'server_to_agent',
);

export type AckFn = (answer: unknown) => void;

/** Payload and ack function of a Socket.IO event. A payload that is the whole envelope `{event, data}` is unwrapped. */
export function readMessage(name: string, args: readonly unknown[]): { data: unknown; ack: AckFn | undefined } {
  const last = args.at(-1);
  const ack = typeof last === 'function' ? (last as AckFn) : undefined;
  return { data: unwrapEnvelope(name, ack ? args.slice(0, -1)[0] : args[0]), ack };
}

function unwrapEnvelope(name: string, data: unknown): unknown {
  if (typeof data !== 'object' || data === null) return data;
  const keys = Object.keys(data);
  const isEnvelope = keys.length === 2 && 'event' in data && 'data' in data && data.event === name;
  return isEnvelope ? (data as { data: unknown }).data : data;
}

/** A token bucket. Time comes in as monotonic milliseconds. */
export class Bucket {
  #tokens: number;
  #at: number;

  constructor(
    private readonly burst: number,
    private readonly perSecond: number,
    nowMs: number,
  ) {
    this.#tokens = burst;
    this.#at = nowMs;
  }

  take(nowMs: number): boolean {
    this.#tokens = Math.min(this.burst, this.#tokens + ((nowMs - this.#at) / 1000) * this.perSecond);
    this.#at = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
