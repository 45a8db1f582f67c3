import { type KeyObject, sign } from 'node:crypto';
import { connectStatement } from '@muster/shared-types';
import { WebSocket } from 'ws';

/** What a node of a swarm needs to speak. */
export interface NodeCredentials {
  nodeId: string;
  hostKey: string;
  privateKey: KeyObject;
}

type Handler = (payload: never) => unknown;

/**
 * An agent's side of the socket, down to the frames (Engine.IO 4, Socket.IO 5): ten thousand of them fit into one
 * process beside the market that is measured. Proves its key, answers pings, acks what it is sent.
 */
export class LightAgent {
  #socket: WebSocket | undefined;
  #nextAck = 1;
  #tokenEnds: string | undefined;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  /** Resolves when the key has been proven and the first desired state has come. */
  ready: Promise<void> = Promise.resolve();
  #becomeReady: () => void = () => undefined;
  onClose: () => void = () => undefined;

  constructor(
    private readonly url: string,
    private readonly credentials: NodeCredentials,
    private readonly handlers: Readonly<Record<string, Handler>> = {},
  ) {}

  connect(): Promise<void> {
    this.ready = new Promise((resolve) => (this.#becomeReady = resolve));
    const socket = new WebSocket(`${this.url.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`, {
      headers: { authorization: `Bearer ${this.credentials.hostKey}` },
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    this.#socket = socket;
    socket.on('message', (data: Buffer) => this.#read(socket, data.toString('utf8')));
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => {
        for (const done of this.#waiting.values()) done(undefined);
        this.#waiting.clear();
        if (this.#socket === socket) this.onClose();
        reject(new Error('closed'));
      });
      void this.ready.then(resolve);
    });
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  /** The ack, or undefined when there is none within the time. */
  emit(event: string, payload: unknown, timeoutMs: number): Promise<unknown> {
    const id = this.#nextAck++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        resolve(undefined);
      }, timeoutMs);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.#socket?.send(`42/agent,${id}${JSON.stringify([event, payload])}`);
    });
  }

  #read(socket: WebSocket, frame: string): void {
    if (frame === '2') return socket.send('3');
    if (frame.startsWith('0')) return socket.send('40/agent,');
    if (frame.startsWith('43/agent,')) return this.#acked(frame);
    if (frame.startsWith('44')) return socket.close();
    if (frame.startsWith('42/agent,')) this.#message(socket, frame);
  }

  #acked(frame: string): void {
    const open = frame.indexOf('[');
    const id = Number(frame.slice('43/agent,'.length, open));
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.((JSON.parse(frame.slice(open)) as unknown[])[0]);
  }

  #message(socket: WebSocket, frame: string): void {
    const open = frame.indexOf('[');
    const id = frame.slice('42/agent,'.length, open);
    const [event, payload] = JSON.parse(frame.slice(open)) as [string, never];
    const answer = event === 'challenge' ? this.#proof(payload) : { ok: true, ...(this.handlers[event]?.(payload) as object | undefined) };
    if (id !== '') socket.send(`43/agent,${id}${JSON.stringify([answer])}`);
    if (event === 'desired_state') this.#becomeReady();
    if (event === 'tunnel_token') this.#tokenEnds = (payload as { expires_at: string }).expires_at;
  }

  #proof({ nonce }: { nonce: string }): object {
    const { nodeId, privateKey } = this.credentials;
    const signature = sign(null, Buffer.from(connectStatement(nonce, nodeId)), privateKey).toString('base64url');
    return { ok: true, node_id: nodeId, signature, agent_version: 'bench', boot_id: 'bench', ...(this.#tokenEnds === undefined ? {} : { tunnel_token_expires_at: this.#tokenEnds }) };
  }
}
