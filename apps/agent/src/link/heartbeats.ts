import { type AckOf, HEARTBEAT_INTERVAL_MS, type Heartbeat } from '@muster/shared-types';
import type { Logger } from 'pino';
import type { Connection } from './connection.js';

export interface HeartbeatOptions {
  connection: Connection;
  compose: (seq: number) => Heartbeat;
  onAck: (ack: Extract<AckOf<'heartbeat'>, { ok: true }>) => void;
  log: Logger;
}

const JITTER = 0.1;

/** One heartbeat every interval that the server asks for, ± 10 %; a slow answer never delays the next one. */
export class Heartbeats {
  private seq = 0;
  private intervalMs = HEARTBEAT_INTERVAL_MS;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly options: HeartbeatOptions) {}

  /** Beats now and from now on. */
  start(): void {
    this.stop();
    this.beat();
  }

  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  private beat(): void {
    void this.sendOne();
    this.schedule();
  }

  private schedule(): void {
    if (this.timer) clearTimeout(this.timer);
    const factor = 1 - JITTER + 2 * JITTER * Math.random();
    this.timer = setTimeout(() => this.beat(), this.intervalMs * factor);
  }

  private follow(intervalMs: number): void {
    if (intervalMs === this.intervalMs) return;
    this.intervalMs = intervalMs;
    if (this.timer) this.schedule();
  }

  private async sendOne(): Promise<void> {
    const { connection, compose, onAck, log } = this.options;
    if (!connection.connected) return;
    try {
      const ack = await connection.send('heartbeat', compose(this.seq++));
      if (!ack.ok) return log.warn({ code: ack.problem.code, detail: ack.problem.detail }, 'the market refused a heartbeat');
      this.follow(ack.next_interval_ms);
      onAck(ack);
    } catch (error) {
      log.warn({ message: error instanceof Error ? error.message : String(error) }, 'a heartbeat was not answered');
      connection.giveUpIfDeaf();
    }
  }
}
