import { AGENT_NAMESPACE, type AckOf, agentMessages, type FromAgent, type FromServer, fieldErrors, makeProblem, type Payload, PROBLEM_EVENT } from '@muster/shared-types';
import type { Logger } from 'pino';
import { io, type Socket } from 'socket.io-client';
import { z } from 'zod';

/** A handler's answer is the ack: `{ok:true, …}` or `{ok:false, problem}`. */
export type ServerHandlers = { [K in FromServer]: (payload: Payload<K>) => Promise<AckOf<K>> };

export interface ConnectionOptions {
  backendUrl: string;
  hostApiKey: string;
  nodeId: string;
  handlers: ServerHandlers;
  log: Logger;
  onConnect: () => void;
  /** The server has taken our answer to its challenge; what needs a proof may be sent from now on. */
  onProven: () => void;
  onDisconnect: (reason: string) => void;
  /** How long a connection may last without its proof, in milliseconds. Default 15 s: more than the server waits for an answer. */
  proofWithinMs?: number;
  /** How long a call may wait for its answer, in milliseconds. Default 10 s. */
  ackWithinMs?: number;
}

const ACK_TIMEOUT_MS = 10_000;
/** More than one heartbeat goes unanswered before a connection counts as dead. */
const DEAF_FACTOR = 1.2;
const PROOF_WITHIN_MS = 15_000;
const FIRST_REDIAL_MS = 1_000;
const LAST_REDIAL_MS = 10_000;
const Told = z.object({ code: z.string().max(100), detail: z.string().max(500).optional() });

/**
 * The one socket to the market. Reconnects for ever with jitter, also after a refusal; every message of the catalogue has
 * a handler and every call an answer. What a message carries is parsed tolerantly: unknown fields are ignored.
 */
export class Connection {
  private readonly socket: Socket;
  private isProven = false;
  private challenger: string | null = null;
  private closed = false;
  private redialMs = FIRST_REDIAL_MS;
  private proofTimer: NodeJS.Timeout | undefined;
  private heardMs = 0;

  constructor(private readonly options: ConnectionOptions) {
    this.socket = io(new URL(AGENT_NAMESPACE, options.backendUrl).href, {
      transports: ['websocket'],
      autoConnect: false,
      extraHeaders: { authorization: `Bearer ${options.hostApiKey}` },
      auth: { node_id: options.nodeId },
      reconnectionDelay: 500,
      reconnectionDelayMax: 3_000,
      randomizationFactor: 0.5,
      timeout: 10_000,
    });
    this.register();
  }

  open(): void {
    this.socket.connect();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.proofTimer);
    this.socket.disconnect();
  }

  get connected(): boolean {
    return this.socket.connected;
  }

  /** Connected, and the server has shown that it believes our key: it has sent what only a proven node gets. */
  get proven(): boolean {
    return this.socket.connected && this.isProven;
  }

  /** The market that the server said it is when it challenged us on this connection. */
  get challengedBy(): string | null {
    return this.challenger;
  }

  /** Sends and waits for the parsed ack; rejects when there is none in time or it is not one. */
  async send<K extends FromAgent>(name: K, payload: z.input<(typeof agentMessages)[K]['payload']>): Promise<AckOf<K>> {
    const answer: unknown = await this.socket.timeout(this.ackWithinMs).emitWithAck(name, payload);
    this.heardMs = performance.now();
    return agentMessages[name].ack.parse(answer) as AckOf<K>;
  }

  /** Sends without waiting for an answer; nothing while there is no connection. */
  post<K extends FromAgent>(name: K, payload: z.input<(typeof agentMessages)[K]['payload']>): void {
    if (this.socket.connected) this.socket.emit(name, payload);
  }

  /**
   * After an unanswered heartbeat: a connection over which nothing has come for longer than that is dead, whatever TCP
   * and its own pings still hope, and after a cut of the network a new one is there sooner.
   */
  giveUpIfDeaf(): void {
    if (!this.socket.connected || performance.now() - this.heardMs < this.ackWithinMs * DEAF_FACTOR) return;
    this.options.log.warn('the market does not answer any more; connecting anew');
    this.socket.disconnect();
  }

  private get ackWithinMs(): number {
    return this.options.ackWithinMs ?? ACK_TIMEOUT_MS;
  }

  private register(): void {
    const { log, onConnect, onDisconnect, handlers } = this.options;
    this.socket.on('connect', () => {
      this.heardMs = performance.now();
      this.expectProof();
      onConnect();
    });
    this.socket.on('disconnect', (reason) => {
      this.isProven = false;
      this.challenger = null;
      clearTimeout(this.proofTimer);
      log.warn({ reason }, 'connection to the market lost');
      onDisconnect(reason);
      this.redialIfDropped();
    });
    this.socket.on('connect_error', (error) => {
      log.warn({ message: error.message }, 'the market cannot be reached; trying again');
      this.redialIfDropped();
    });
    this.socket.on(PROBLEM_EVENT, (raw: unknown) => log.warn({ problem: Told.safeParse(raw).data }, 'the market ends this connection'));
    for (const name of Object.keys(handlers) as FromServer[]) this.listen(name);
    this.socket.onAny((name: string, ...args: unknown[]) => {
      this.heardMs = performance.now();
      const known = name === PROBLEM_EVENT || Object.hasOwn(handlers, name);
      if (!known) reply(args, { ok: false, problem: makeProblem('unknown_event', { detail: name.slice(0, 100) }) });
    });
  }

  /** The library gives up where the server itself refused or ended the socket. That may be over soon: a database away, a newer socket of ours. */
  private redialIfDropped(): void {
    if (this.closed || this.socket.active) return;
    const waitMs = this.redialMs * (0.75 + Math.random() / 2);
    this.redialMs = Math.min(LAST_REDIAL_MS, this.redialMs * 2);
    setTimeout(() => this.closed || this.socket.active || this.socket.connect(), waitMs).unref();
  }

  /** A challenge or its answer that was lost is not sent again on the same connection: only a new one brings a new challenge. */
  private expectProof(): void {
    clearTimeout(this.proofTimer);
    this.proofTimer = setTimeout(() => {
      if (this.isProven) return;
      this.options.log.warn('the market has not taken our proof; connecting anew');
      this.socket.disconnect();
    }, this.options.proofWithinMs ?? PROOF_WITHIN_MS);
    this.proofTimer.unref();
  }

  private listen<K extends FromServer>(name: K): void {
    const event: string = name;
    this.socket.on(event, (...args: unknown[]) => {
      const raw = typeof args[0] === 'function' ? undefined : args[0];
      void this.answer(name, unwrapped(name, raw)).then((ack) => reply(args, ack));
    });
  }

  private async answer<K extends FromServer>(name: K, raw: unknown): Promise<unknown> {
    const { handlers, log } = this.options;
    const parsed = agentMessages[name].payload.safeParse(raw);
    if (!parsed.success) return { ok: false, problem: makeProblem('invalid_request', { errors: fieldErrors(parsed.error) }) };
    if (name === 'challenge') this.challenger = (parsed.data as Payload<'challenge'>).cluster_id;
    this.noteProof(name);
    try {
      return await handlers[name](parsed.data as Payload<K>);
    } catch (error) {
      log.error({ err: error, message_name: name }, 'a message of the market could not be handled');
      return { ok: false, problem: makeProblem('internal') };
    }
  }

  private noteProof(name: FromServer): void {
    if (this.isProven || !agentMessages[name].proven) return;
    this.isProven = true;
    clearTimeout(this.proofTimer);
    this.redialMs = FIRST_REDIAL_MS;
    this.options.onProven();
  }
}

function reply(args: unknown[], ack: unknown): void {
  const last = args.at(-1);
  if (typeof last === 'function') (last as (ack: unknown) => void)(ack);
}

/** A payload that is the whole envelope `{event, data}` of its own event is unwrapped. */
function unwrapped(name: string, raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null) return raw;
  const isEnvelope = Object.keys(raw).length === 2 && 'event' in raw && 'data' in raw && raw.event === name;
  return isEnvelope ? (raw as { data: unknown }).data : raw;
}
