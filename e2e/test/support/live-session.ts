import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { until } from './until.js';

const EVERY_MS = 200;

/**
 * An SSH session through OpenSSH into which something is typed all the time and that gives everything back. It knows
 * when it last answered, its longest pause, and when it ended.
 */
export class LiveSession {
  /** Settles with the time (ms since the epoch) at which the client ended. */
  readonly closed: Promise<number>;
  endedAt: number | undefined;
  lastEchoAt = 0;
  longestPauseMs = 0;
  echoes = 0;
  private text = '';
  private errors = '';
  private readonly talking: NodeJS.Timeout;

  private constructor(private readonly process: ChildProcess) {
    process.stdout?.on('data', (chunk: Buffer) => this.heard(chunk.toString()));
    process.stderr?.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    process.stdin?.on('error', () => undefined); // a session that was cut cannot be typed into any more
    this.closed = new Promise((resolve) => process.once('exit', () => {
      clearInterval(this.talking);
      resolve((this.endedAt = Date.now()));
    }));
    this.talking = setInterval(() => this.type('still here'), EVERY_MS);
  }

  /** Resolves when the other side has answered for the first time. */
  static async open(args: readonly string[]): Promise<LiveSession> {
    const session = new LiveSession(spawn('ssh', [...args, 'exec cat'], { stdio: ['pipe', 'pipe', 'pipe'] }));
    await session.answers();
    return session;
  }

  get isOpen(): boolean {
    return this.endedAt === undefined;
  }

  /** Types something new and waits until exactly that comes back. */
  async answers(withinMs = 30_000): Promise<void> {
    const token = randomBytes(8).toString('hex');
    this.type(token);
    await until(`an open session to answer${this.errors && ` (${this.errors.trim()})`}`, () => {
      if (!this.isOpen) throw new Error(`the session has ended: ${this.errors}`);
      return this.text.includes(token);
    }, withinMs);
  }

  /** Ends the client. */
  async end(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.closed;
  }

  private type(text: string): void {
    if (this.process.stdin?.writable) this.process.stdin.write(`${text}\n`);
  }

  private heard(text: string): void {
    const now = Date.now();
    if (this.lastEchoAt > 0) this.longestPauseMs = Math.max(this.longestPauseMs, now - this.lastEchoAt);
    this.lastEchoAt = now;
    this.echoes += 1;
    this.text = (this.text + text).slice(-4096);
  }
}
