import type { Server } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { INestApplication } from '@nestjs/common';
import helmet from 'helmet';
import { Logger } from 'nestjs-pino';
import { Config } from './config.js';
import { serveDocuments } from './documents.js';
import { answerUnreadable } from './platform/client-error.js';
import { Metrics } from './platform/metrics.js';
import { assignRequestId } from './platform/request-id.js';
import { InFlight } from './platform/in-flight.js';
import { cutSlowBodies, isLongJsonBody, isShortJsonBody, LONGEST_REQUEST_MS } from './platform/request-bodies.js';

/** Larger than any inventory; nothing else that is sent comes near. */
const BODY_LIMIT = '1mb';
/** A job with all the inline inputs that it may have; a result with its logs. */
const LONG_BODY_LIMIT = '6mb';
/** A request that takes longer is cut at shutdown. */
const DRAIN_MS = 10_000;

const CONTENT_SECURITY = {
  contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
  // Without TLS these two only break the page on a developer's machine.
  strictTransportSecurity: false,
  crossOriginOpenerPolicy: false,
} as const;

/** What stands in front of the controllers, in order. Call before `init` or `listen`. */
export function configureApp(app: NestExpressApplication): InFlight {
  const metrics = app.get(Metrics);
  const inFlight = new InFlight();
  app.useLogger(app.get(Logger));
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use((request: Parameters<typeof assignRequestId>[0], response: Parameters<typeof assignRequestId>[1], next: () => void) => {
    assignRequestId(request, response);
    next();
  });
  app.use(inFlight.track, metrics.measure, helmet(CONTENT_SECURITY));
  app.use('/metrics', metrics.serve);
  serveDocuments(app);
  app.use(cutSlowBodies);
  app.useBodyParser('json', { limit: LONG_BODY_LIMIT, inflate: false, type: isLongJsonBody });
  app.useBodyParser('json', { limit: BODY_LIMIT, inflate: false, type: isShortJsonBody });
  return inFlight;
}

/** Longer than clients and proxies keep an idle connection, so that it is they who close it. */
const KEEP_ALIVE_MS = 75_000;

/** Opens the port; returns the URL under which this process itself answers. */
export async function listen(app: INestApplication): Promise<string> {
  const { host, port } = app.get(Config);
  const server = app.getHttpServer() as Server;
  server.requestTimeout = LONGEST_REQUEST_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on('clientError', answerUnreadable);
  await app.listen(port, host);
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${host === '::1' ? '[::1]' : host}:${bound}`;
}

/** Stops accepting, lets requests in hand finish, then closes loops, sockets, leases and connections. */
export async function closeGracefully(app: INestApplication, inFlight: InFlight): Promise<void> {
  const server = app.getHttpServer() as Server;
  server.close();
  server.closeIdleConnections();
  await inFlight.drained(DRAIN_MS);
  await app.close();
  server.closeAllConnections();
}
