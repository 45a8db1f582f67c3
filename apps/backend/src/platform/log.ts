import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request } from 'express';
import type { Params } from 'nestjs-pino';
import type { Config } from '../config.js';
import { assignRequestId } from './request-id.js';
import { stateOf } from './request-state.js';

export interface LogContext {
  rental_id?: string;
  node_id?: string;
}

const context = new AsyncLocalStorage<LogContext>();

/** Every line that `work` logs carries these ids. */
export function withLogContext<T>(ids: LogContext, work: () => T): T {
  return context.run({ ...context.getStore(), ...ids }, work);
}

const SECRET_FIELDS = [
  'authorization', 'cookie', 'password', 'passwordHash', 'secret', 'token', 'access_token', 'refresh_token', 'key', 'api_key',
  'privateKey', 'private_key', 'host_private_key', 'registry_auth', 'env_vars', 'env', 'sealed', 'masterKey', 'gateSecret', 'databaseUrl', 'redisUrl',
];

/** Wherever such a field stands, up to three levels down, its value is not written. */
export const REDACTED_PATHS = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`, `*.*.*.${field}`]);

/** JSON lines. Of a request only method, path (no query, no headers, no body) and ids are written. */
export function logParams(config: Config): Params {
  return {
    pinoHttp: {
      level: config.logLevel,
      base: { service: 'muster-backend' },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label: string) => ({ level: label }) },
      redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
      mixin: () => ({ ...context.getStore() }),
      genReqId: assignRequestId,
      quietReqLogger: true,
      customAttributeKeys: { reqId: 'request_id', responseTime: 'duration_ms' },
      serializers: { req: requestLine, res: (res: { statusCode: number }) => ({ status: res.statusCode }) },
      customProps: (request: IncomingMessage) => requestIds(request as Request),
      customLogLevel: (_request: IncomingMessage, response: ServerResponse) => levelOf(response.statusCode),
      autoLogging: { ignore: (request: IncomingMessage) => /^\/(health|ready|metrics)$/.test(request.url ?? '') },
    },
  };
}

function requestLine(request: { method: string; url: string; remoteAddress?: string }): Record<string, unknown> {
  return { method: request.method, path: request.url.split('?', 1)[0], from: request.remoteAddress };
}

function requestIds(request: Request): Record<string, unknown> {
  const { principal } = stateOf(request);
  const account = principal.kind === 'user' ? principal.userId : principal.kind === 'host' ? principal.ownerId : undefined;
  return { account_id: account, rental_id: request.params?.['rental_id'], node_id: request.params?.['node_id'] };
}

function levelOf(status: number): 'error' | 'info' | 'debug' {
  if (status >= 500 && status !== 503) return 'error';
  return status >= 400 ? 'info' : 'debug';
}
