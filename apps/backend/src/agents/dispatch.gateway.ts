import { Injectable, Logger } from '@nestjs/common';
import { agentMessages, fail, fieldErrors, ProblemError, type FromAgent, type Payload, type Problem } from '@muster/shared-types';
import { isDatabaseDown } from '../platform/db-errors.js';
import { Redis } from '../platform/redis.js';
import { Handlers, type AgentHandlers } from './agent.handlers.js';
import { MAX_MESSAGE_CHARS, type AgentSession } from './agent-session.js';
import { AGENT_EVENTS, readMessage, type Bucket } from './message.rules.js';

type Answer = { ok: boolean };
type Nack = { ok: false; problem: Problem };

/** From a raw socket event to its ack: whatever comes in, one answer goes out and nothing is thrown. */
@Injectable()
export class Dispatch {
  readonly #log = new Logger('AgentSocket');
  readonly #handlers: AgentHandlers;

  constructor(
    handlers: Handlers,
    private readonly redis: Redis,
  ) {
    this.#handlers = handlers.all;
  }

  /** Raw listeners: an event through the framework's pipeline costs several times as much. */
  listen(session: AgentSession): void {
    for (const name of AGENT_EVENTS) session.socket.on(name, (...args: unknown[]) => void this.#receive(session, name, args));
    session.socket.onAny((name: string, ...args: unknown[]) => {
      if (!(AGENT_EVENTS as readonly string[]).includes(name)) this.#unknown(session, name, args);
    });
  }

  async #receive(session: AgentSession, name: FromAgent, args: readonly unknown[]): Promise<void> {
    const { data, ack } = readMessage(name, args);
    const run = (): Promise<Answer> => this.#answer(session, name, data).catch((error: unknown) => this.#mapped(session, name, error));
    // A heartbeat overtakes, and frames of streams (which are in order among themselves: their handler waits for nothing).
    const answer = name === 'heartbeat' || name === 'exec_data' ? run() : (session.queue = session.queue.then(run));
    ack?.(await answer);
  }

  #unknown(session: AgentSession, name: string, args: readonly unknown[]): void {
    const { data, ack } = readMessage(name, args);
    const refused = this.#refusal(session, data, session.bucket);
    ack?.(refused ?? fail('unknown_event', { detail: name.slice(0, 100) }));
  }

  async #answer<K extends FromAgent>(session: AgentSession, name: K, data: unknown): Promise<Answer> {
    const refused = this.#refusal(session, data, name === 'exec_data' ? session.execBucket : session.bucket);
    if (refused) return refused;
    if (agentMessages[name].proven && !session.proof) return fail('not_proven');
    const parsed = agentMessages[name].payload.safeParse(data);
    if (!parsed.success) return fail('invalid_request', { errors: fieldErrors(parsed.error, 'data') });
    return this.#handlers[name](session, parsed.data as Payload<K>);
  }

  #refusal(session: AgentSession, data: unknown, bucket: Bucket): Nack | undefined {
    if (session.superseded) return fail('superseded');
    if (!bucket.take(performance.now())) return fail('rate_limited');
    if (session.isTooLarge(data)) return fail('payload_too_large', { detail: `A message may have ${MAX_MESSAGE_CHARS} characters` });
    return undefined;
  }

  /** The one place where what a handler throws ends. */
  #mapped(session: AgentSession, name: FromAgent, error: unknown): Nack {
    if (error instanceof ProblemError) return { ok: false, problem: error.problem };
    if (isDatabaseDown(error) || this.redis.client.status !== 'ready') return fail('unavailable');
    this.#log.error({ err: error, event: name, node_id: session.proof?.nodeId, owner_id: session.ownerId }, 'a message could not be handled');
    return fail('internal');
  }
}
