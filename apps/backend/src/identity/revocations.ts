import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Redis } from '../platform/redis.js';

/** Redis channel (under the market's prefix) that names a revoked API key: whoever holds its socket closes it. */
export const KEY_REVOKED_CHANNEL = 'key-revoked';
/** Redis channel that names an account or session whose sessions are over. */
export const SESSION_REVOKED_CHANNEL = 'session-revoked';

type Listener = (id: string) => void;

/**
 * Carries revocations to all replicas. Postgres has them already: a lost message costs at most the cache's
 * second for requests, and for open sockets until their holder checks again.
 */
@Injectable()
export class Revocations implements OnModuleInit {
  readonly #log = new Logger('Revocations');
  readonly #listeners: Record<string, Listener[]> = { [KEY_REVOKED_CHANNEL]: [], [SESSION_REVOKED_CHANNEL]: [] };

  constructor(private readonly redis: Redis) {}

  onModuleInit(): void {
    for (const channel of [KEY_REVOKED_CHANNEL, SESSION_REVOKED_CHANNEL]) {
      void this.redis.subscribe(channel, (id) => this.#tell(channel, id));
    }
  }

  /** Calls `listener` with the id of every API key that is revoked, on whichever replica. */
  onKeyRevoked(listener: Listener): void {
    this.#listeners[KEY_REVOKED_CHANNEL]?.push(listener);
  }

  onSessionRevoked(listener: Listener): void {
    this.#listeners[SESSION_REVOKED_CHANNEL]?.push(listener);
  }

  keyRevoked(apiKeyId: string): void {
    this.#spread(KEY_REVOKED_CHANNEL, apiKeyId);
  }

  sessionRevoked(sessionId: string): void {
    this.#spread(SESSION_REVOKED_CHANNEL, sessionId);
  }

  /** Here at once, elsewhere through Redis. Our own message comes back and is told twice: listeners only drop things. */
  #spread(channel: string, id: string): void {
    this.#tell(channel, id);
    this.redis.publish(channel, id).catch((error: Error) => this.#log.warn(`revocation of ${id} was not spread: ${error.message}`));
  }

  #tell(channel: string, id: string): void {
    for (const listener of this.#listeners[channel] ?? []) listener(id);
  }
}
