import type { Server as HttpServer } from 'node:http';
import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Server, type Namespace } from 'socket.io';
import { Redis } from '../platform/redis.js';
import { redisAdapter } from './redis-adapter.js';

/** Longest frame that is read at all; a longer one ends the connection. A log answer of a million characters fits. */
const MAX_FRAME_BYTES = 8 * 1024 * 1024;
const PING_EVERY_MS = 20_000;
const PING_TIMEOUT_MS = 20_000;

/**
 * The one Socket.IO server, on Nest's own HTTP server. Websocket only, so replicas need no sticky sessions; the Redis
 * adapter carries what one replica says to sockets of another. No compression: it costs 3 GB at 10,000 agents.
 */
@Injectable()
export class SocketServer implements BeforeApplicationShutdown {
  readonly #log = new Logger('SocketServer');
  #io: Server | undefined;

  constructor(
    private readonly http: HttpAdapterHost,
    private readonly redis: Redis,
  ) {}

  /** Call it in `onModuleInit`, before the HTTP server listens. */
  of(name: string): Namespace {
    this.#io ??= this.#start();
    return this.#io.of(name);
  }

  /** Ends every connection below Socket.IO: clients take it for a lost one and redial whichever replica is up. */
  beforeApplicationShutdown(): void {
    this.#io?.engine.close();
  }

  #start(): Server {
    const server = this.http.httpAdapter.getHttpServer() as HttpServer;
    const io = new Server(server, {
      transports: ['websocket'],
      serveClient: false,
      perMessageDeflate: false,
      httpCompression: false,
      maxHttpBufferSize: MAX_FRAME_BYTES,
      pingInterval: PING_EVERY_MS,
      pingTimeout: PING_TIMEOUT_MS,
      adapter: redisAdapter(this.redis, this.#log),
    });
    io.engine.on('connection_error', (error: { code: number; message: string }) => this.#log.debug(`a socket was refused: ${error.message}`));
    return io;
  }
}
