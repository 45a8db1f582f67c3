import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Redis as IoRedis } from 'ioredis';
import { Config } from '../config.js';

const SUBSCRIBE_PATIENCE_MS = 2_000;

/**
 * The connection to Redis. Every key of `client` is prefixed (config `redisPrefix`); channel names are not,
 * so use `channel()` for them. Commands fail at once while Redis is away instead of queueing up.
 */
@Injectable()
export class Redis implements OnApplicationShutdown {
  readonly client: IoRedis;
  readonly #config: Config;
  readonly #log = new Logger('Redis');
  readonly #connections: IoRedis[] = [];

  constructor(config: Config) {
    this.#config = config;
    this.client = this.#connect({ keyPrefix: config.redisPrefix, enableOfflineQueue: false });
  }

  /** A connection of its own, e.g. for subscriptions; closed at shutdown. */
  duplicate(): IoRedis {
    return this.#connect({ enableOfflineQueue: true });
  }

  /** Name of a pub/sub channel under this market's prefix. */
  channel(name: string): string {
    return `${this.#config.redisPrefix}${name}`;
  }

  publish(name: string, message: string): Promise<number> {
    return this.client.publish(this.channel(name), message);
  }

  /**
   * Calls `listener` for every message on the channel, across reconnects and also when Redis comes up later.
   * Resolves when it listens, or after two seconds of trying: boot must not hang on Redis.
   */
  async subscribe(name: string, listener: (message: string) => void): Promise<void> {
    const connection = this.#connect({ enableOfflineQueue: false, autoResubscribe: false });
    connection.on('message', (_channel: string, message: string) => listener(message));
    const listening = new Promise<void>((resolve) => {
      // Again at every `ready`: a subscription ends with its connection, and one that fails is followed by another `ready`.
      connection.on('ready', () => connection.subscribe(this.channel(name)).then(() => resolve(), () => connection.disconnect(true)));
    });
    await Promise.race([listening, sleep(SUBSCRIBE_PATIENCE_MS, undefined, { ref: false })]);
  }

  onApplicationShutdown(): void {
    for (const connection of this.#connections) connection.disconnect();
  }

  #connect(options: { keyPrefix?: string; enableOfflineQueue: boolean; autoResubscribe?: boolean }): IoRedis {
    const connection = new IoRedis(this.#config.redisUrl, {
      ...options,
      maxRetriesPerRequest: 1,
      connectTimeout: 5_000,
      retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 1_000),
    });
    let told = false;
    connection.on('error', (error: Error) => {
      if (!told) this.#log.warn(`Redis does not answer: ${error.message}`);
      told = true;
    });
    connection.on('ready', () => {
      if (told) this.#log.log('Redis answers again');
      told = false;
    });
    this.#connections.push(connection);
    return connection;
  }
}
