import { EXEC_LIMITS, type ExecData, type ExecPart } from '@muster/shared-types';
import type { RunningCommand } from '../docker/running-command.js';

/** Given back in larger pieces than it comes. */
const CREDIT_BYTES = EXEC_LIMITS.windowBytes / 4;

/**
 * One running command and its stream. INVARIANT: at most `windowBytes` of output are on their way that the person has not taken
 * up; then the command waits. What comes in and is not read by the command is bounded by the sender's window.
 */
export class CommandStream {
  heardMs = performance.now();
  private room: number = EXEC_LIMITS.windowBytes;
  private taken = 0;
  private wake: (() => void) | undefined;
  private writing: Promise<void> = Promise.resolve();
  private over = false;

  constructor(
    readonly rentalId: string,
    private readonly command: RunningCommand,
    private readonly say: (part: ExecPart) => void,
    private readonly onEnd: () => void,
  ) {}

  /** Carries output until the command ends, then says how. */
  async run(): Promise<void> {
    try {
      for await (const { stream, bytes } of this.command.output()) {
        if (this.over) break;
        await this.carry(stream, bytes);
      }
      const exitCode = await this.command.exitCode();
      this.finish({ kind: 'exit', exit_code: exitCode, ...(exitCode === null ? { message: 'How the command ended is not known' } : {}) });
    } catch (error) {
      this.finish({ kind: 'exit', exit_code: null, message: 'The command was torn off' });
      throw error;
    }
  }

  received(frame: ExecData): void {
    this.heardMs = performance.now();
    switch (frame.kind) {
      case 'data':
        return this.take(Buffer.from(frame.bytes, 'base64'));
      case 'eof':
        this.writing = this.writing.then(() => this.command.end());
        return;
      case 'credit':
        this.room = Math.min(EXEC_LIMITS.windowBytes, this.room + frame.bytes);
        return this.wake?.();
      case 'close':
        return this.cut('closed');
      case 'alive':
      case 'exit':
        return;
    }
  }

  resize(cols: number, rows: number): void {
    void this.command.resize(cols, rows);
  }

  /** Ends the command; its end is told at once. */
  cut(message: string): void {
    if (this.over) return;
    this.finish({ kind: 'exit', exit_code: null, message });
    // What cannot be signalled any more has ended, or ends with its container.
    void this.command.kill().catch(() => undefined);
  }

  private async carry(stream: 'stdout' | 'stderr', bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length && !this.over; ) {
      if (this.room === 0) {
        await new Promise<void>((resolve) => (this.wake = resolve));
        continue;
      }
      const part = bytes.subarray(at, at + Math.min(EXEC_LIMITS.chunkBytes, this.room));
      this.room -= part.length;
      at += part.length;
      this.say({ kind: 'data', stream, bytes: part.toString('base64') });
    }
  }

  private take(bytes: Buffer): void {
    this.writing = this.writing.then(async () => {
      await this.command.write(bytes);
      this.taken += bytes.length;
      if (this.taken < CREDIT_BYTES || this.over) return;
      this.say({ kind: 'credit', bytes: this.taken });
      this.taken = 0;
    });
  }

  private finish(exit: ExecPart): void {
    if (this.over) return;
    this.over = true;
    this.wake?.();
    this.say(exit);
    this.onEnd();
  }
}
