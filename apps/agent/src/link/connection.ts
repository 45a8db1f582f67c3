import { AGENT_NAMESPACE, type AckOf, agentMessages, type FromAgent, type FromServer, makeProblem, type Payload, fieldErrors } from '@muster/shared-types';
import type { Logger } from 'pino';
import { io, type Socket } from 'socket.io-client';
import type { z } from 'zod';

/** A handler's answer is the ack: `{ok:true, …}` or `{ok:false, problem}`. */
export type ServerHandlers = { [K in FromServer]: (payload: Payload<K>) => Promise<AckOf<K>> };

export interface ConnectionOptions {
  backendUrl: string;
  hostApiKey: string;
  nodeId: string;
  handlers: ServerHandlers;
  log: Logger;
  onConnect: () => void;
  onDisconnect: (reason: string) => void;
}

const ACK_TIMEOUT_MS = 10_000;

/**
 * The one socket to the market. Reconnects for ever with jitter; every message of the catalogue has a handler and every
 * call an answer. What a message carries is parsed tolerantly: unknown fields are ignored.
 */
export class Connection {
  private readonly socket: Socket;

  constructor(private readonly options: ConnectionOptions) {
    this.socket = io(new URL(AGENT_NAMESPACE, options.backendUrl).href, {
      transports: ['websocket'],
      autoConnect: false,
      extraHeaders: { authorization: `Bearer ${options.hostApiKey}` },
      auth: { node_id: options.nodeId },
      reconnectionDelay: 500,
      reconnectionDelayMax: 5_000,
      randomizationFactor: 0.5,
      timeout: 10_000,
    });
    this.register();
  }

  open(): void {
    this.socket.connect();
  }

  close(): void {
    this.socket.disconnect();
  }

  get connected(): boolean {
    return this.socket.connected;
  }

  /** Sends and waits for the parsed ack; rejects when there is none in time or it is not one. */
  async send<K extends FromAgent>(name: K, payload: z.input<(typeof agentMessages)[K]['payload']>): Promise<AckOf<K>> {
    const answer: unknown = await this.socket.timeout(ACK_TIMEOUT_MS).emitWithAck(name, payload);
    return agentMessages[name].ack.parse(answer) as AckOf<K>;
  }

  private register(): void {
    const { log, onConnect, onDisconnect, handlers } = this.options;
    this.socket.on('connect', onConnect);
    this.socket.on('disconnect', (reason) => {
      log.warn({ reason }, 'connection to the market lost');
      onDisconnect(reason);
      // Only a refusal by the server is not retried by the library itself.
      if (reason === 'io server disconnect') setTimeout(() => this.socket.active || this.socket.connect(), 2_000).unref();
    });
    this.socket.on('connect_error', (error) => log.warn({ message: error.message }, 'the market cannot be reached; trying again'));
    for (const name of Object.keys(handlers) as FromServer[]) this.listen(name);
    this.socket.onAny((name: string, ...args: unknown[]) => {
      if (!(name in handlers)) reply(args, { ok: false, problem: makeProblem('unknown_event', { detail: name.slice(0, 100) }) });
    });
  }

  private listen<K extends FromServer>(name: K): void {
    this.socket.on(name as string, (...args: unknown[]) => {
      void this.answer(name, args[0]).then((ack) => reply(args, ack));
    });
  }

  private async answer<K extends FromServer>(name: K, raw: unknown): Promise<unknown> {
    const { handlers, log } = this.options;
    const parsed = agentMessages[name].payload.safeParse(raw);
    if (!parsed.success) return { ok: false, problem: makeProblem('invalid_request', { errors: fieldErrors(parsed.error) }) };
    try {
      return await handlers[name](parsed.data as Payload<K>);
    } catch (error) {
      log.error({ err: error, message_name: name }, 'a message of the market could not be handled');
      return { ok: false, problem: makeProblem('internal') };
    }
  }
}

function reply(args: unknown[], ack: unknown): void {
  const last = args.at(-1);
  if (typeof last === 'function') (last as (ack: unknown) => void)(ack);
}
