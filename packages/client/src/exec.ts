import { base64Bytes, EXEC_LIMITS, ExecData, type ExecPart, type ExecStreamId } from '@muster/shared-types';

/** How a command ended. Without a code it was cut; `message` says why. */
export interface ExecExit {
  exitCode: number | null;
  message: string | undefined;
}

export interface ExecHandlers {
  /** Output of the command. What is not taken up yet (a promise that is open) slows the command down and fills nothing. */
  onOutput: (bytes: Uint8Array, stream: 'stdout' | 'stderr') => void | Promise<void>;
  /** Called once, after all output was taken up. */
  onExit: (exit: ExecExit) => void;
}

type Send = (name: 'exec_data' | 'exec_resize', payload: object) => void;
/** Given back in larger pieces than it comes: a quarter of the window. */
const CREDIT_BYTES = EXEC_LIMITS.windowBytes / 4;

/** One command that runs in an instance. */
export class ExecSession {
  #room: number = EXEC_LIMITS.windowBytes;
  #taken = 0;
  #taking: Promise<void> = Promise.resolve();
  #ended = false;
  #wake: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    readonly streamId: ExecStreamId,
    private readonly handlers: ExecHandlers,
    private readonly send: Send,
    private readonly onEnd: () => void,
  ) {}

  get ended(): boolean {
    return this.#ended;
  }

  /** Into the command's input, in order. Resolves when it is on its way, which waits for a command that does not read. */
  write(bytes: Uint8Array): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write(bytes));
    return this.#writing;
  }

  /** Nothing more comes. */
  end(): void {
    this.#writing = this.#writing.then(() => this.#say({ kind: 'eof' }));
  }

  resize(cols: number, rows: number): void {
    if (!this.#ended) this.send('exec_resize', { stream_id: this.streamId, cols, rows });
  }

  /** Ends the command. */
  close(): void {
    this.#say({ kind: 'close' });
    this.#finish({ exitCode: null, message: 'closed' });
  }

  /** A frame of this stream, as it came from the market. */
  received(raw: unknown): void {
    const frame = ExecData.safeParse(raw);
    if (!frame.success || this.#ended) return;
    const { data } = frame;
    if (data.kind === 'credit') this.#credited(data.bytes);
    if (data.kind === 'data' && data.stream !== 'stdin') this.#output(data.bytes, data.stream);
    if (data.kind === 'exit') this.#finish({ exitCode: data.exit_code, message: data.message });
  }

  /** The connection has gone, and the command with it. */
  lost(): void {
    this.#finish({ exitCode: null, message: 'The connection to the market was lost' });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#ended; ) {
      if (this.#room === 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      const part = bytes.subarray(at, at + Math.min(EXEC_LIMITS.chunkBytes, this.#room));
      this.#room -= part.length;
      at += part.length;
      this.#say({ kind: 'data', stream: 'stdin', bytes: toBase64(part) });
    }
  }

  #credited(bytes: number): void {
    this.#room = Math.min(EXEC_LIMITS.windowBytes, this.#room + bytes);
    this.#wake?.();
  }

  #output(text: string, stream: 'stdout' | 'stderr'): void {
    this.#taking = this.#taking.then(async () => {
      await this.handlers.onOutput(fromBase64(text), stream);
      this.#taken += base64Bytes(text);
      if (this.#taken < CREDIT_BYTES) return;
      this.#say({ kind: 'credit', bytes: this.#taken });
      this.#taken = 0;
    });
  }

  #finish(exit: ExecExit): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onEnd();
    this.#wake?.();
    const tell = (): void => this.handlers.onExit(exit);
    this.#taking.then(tell, tell);
  }

  #say(part: ExecPart): void {
    if (!this.#ended) this.send('exec_data', { ...part, stream_id: this.streamId });
  }
}

/** `btoa` and `atob` are in browsers and in Node; a frame is short. */
function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8_192) text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return btoa(text);
}

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
