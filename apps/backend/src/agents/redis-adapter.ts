import type { Logger } from '@nestjs/common';
import { createAdapter } from '@socket.io/redis-adapter';
import type { Redis as IoRedis } from 'ioredis';
import type { Redis } from '../platform/redis.js';

/**
 * Socket.IO's Redis adapter on two connections of ours. It looks at no answer of Redis, so that with Redis away every
 * publish would become an unhandled rejection and a subscription that failed at the start would stay missing.
 */
export function redisAdapter(redis: Redis, log: Logger): ReturnType<typeof createAdapter> {
  const note = (error: unknown): void => log.debug(`nothing goes to or comes from other replicas now: ${String(error)}`);
  const publisher = intercept(redis.duplicate(), ['publish'], (client, name, args) =>
    call(client, name, args).catch((error: unknown) => {
      note(error);
      return 0;
    }),
  );
  const subscriber = intercept(redis.duplicate(), ['subscribe', 'psubscribe'], (client, name, args) => {
    const again = (): void => void call(client, name, args).catch(note);
    client.on('ready', again);
    if (client.status === 'ready') again();
  });
  return createAdapter(publisher, subscriber, { key: redis.channel('socket.io') });
}

type Command = (client: IoRedis, name: string, args: unknown[]) => unknown;

function call(client: IoRedis, name: string, args: unknown[]): Promise<unknown> {
  return (Reflect.get(client, name) as (...args: unknown[]) => Promise<unknown>).apply(client, args);
}

/** The client, with some of its commands replaced. */
function intercept(client: IoRedis, names: readonly string[], run: Command): IoRedis {
  return new Proxy(client, {
    get: (target, name) => {
      if (typeof name === 'string' && names.includes(name)) return (...args: unknown[]) => run(target, name, args);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}
