import { Injectable, Logger } from '@nestjs/common';
import { fail, fieldErrors, liveMessages, ProblemError, type LiveMessageName, type LivePayload, type Problem } from '@muster/shared-types';
import { readMessage } from '../agents/message.rules.js';
import { isDatabaseDown } from '../platform/db-errors.js';
import { Redis } from '../platform/redis.js';
import { lacking } from './access.js';
import { LiveHandlers, type Handlers } from './live.handlers.js';
import type { LiveSession } from './live-session.js';

type Answer = { ok: boolean };
type Nack = { ok: false; problem: Problem };
const NAMES = Object.keys(liveMessages) as LiveMessageName[];
/** Below the limit of the server, which is made for agents. */
const MAX_MESSAGE_CHARS = 512 * 1024;

/** From a raw socket event to its ack: whatever comes in, one answer goes out and nothing is thrown. */
@Injectable()
export class LiveDispatch {
  readonly #log = new Logger('LiveSocket');
  readonly #handlers: Handlers;

  constructor(
    handlers: LiveHandlers,
    private readonly redis: Redis,
  ) {
    this.#handlers = handlers.all;
  }

  listen(session: LiveSession): void {
    for (const name of NAMES) session.socket.on(name, (...args: unknown[]) => void this.#receive(session, name, args));
    session.socket.onAny((name: string, ...args: unknown[]) => {
      if ((NAMES as readonly string[]).includes(name)) return;
      const { ack } = readMessage(name, args);
      ack?.(session.bucket.take(performance.now()) ? fail('unknown_event', { detail: name.slice(0, 100) }) : fail('rate_limited'));
    });
    session.socket.conn.on('packet', (packet: { data?: unknown }) => {
      if (typeof packet.data === 'string' && packet.data.length > MAX_MESSAGE_CHARS) session.drop('payload_too_large', `A message may have ${MAX_MESSAGE_CHARS} characters`);
    });
  }

  async #receive(session: LiveSession, name: LiveMessageName, args: readonly unknown[]): Promise<void> {
    const { data, ack } = readMessage(name, args);
    const answer = await this.#answer(session, name, data).catch((error: unknown) => this.#mapped(session, name, error));
    ack?.(answer);
  }

  async #answer<K extends LiveMessageName>(session: LiveSession, name: K, data: unknown): Promise<Answer> {
    const bucket = name === 'exec_data' || name === 'exec_resize' ? session.execBucket : session.bucket;
    if (!bucket.take(performance.now())) return fail('rate_limited');
    const missing = lacking(session.who, liveMessages[name].scope);
    if (missing) return missing;
    const parsed = liveMessages[name].payload.safeParse(data);
    if (!parsed.success) return fail('invalid_request', { errors: fieldErrors(parsed.error, 'data') });
    return this.#handlers[name](session, parsed.data as LivePayload<K>);
  }

  /** The one place where what a handler throws ends. */
  #mapped(session: LiveSession, name: LiveMessageName, error: unknown): Nack {
    if (error instanceof ProblemError) return { ok: false, problem: error.problem };
    if (isDatabaseDown(error) || this.redis.client.status !== 'ready') return fail('unavailable');
    this.#log.error({ err: error, event: name, account_id: session.who.userId }, 'a message could not be handled');
    return fail('internal');
  }
}
