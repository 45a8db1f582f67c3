import type { InstanceUpdate } from '@muster/shared-types';
import type { Logger } from 'pino';
import type { Connection } from './connection.js';

const RETRY_MS = 2_000;
/** Not the report was wrong but the moment: this socket is about to be replaced. */
const COMES_LATER: ReadonlySet<string> = new Set(['not_proven', 'superseded']);

/**
 * Tells the server of every instance what it has not acked yet. Level-triggered: only the newest state of a rental is
 * ever sent, in order, one at a time; after a reconnect everything is said again.
 */
export class Reports {
  private readonly acked = new Map<string, string>();
  private readonly pending = new Map<string, InstanceUpdate>();
  private readonly toldGone = new Set<string>();
  private readonly toldStopped = new Set<string>();
  private sending = false;
  private retry: NodeJS.Timeout | null = null;

  constructor(
    private readonly connection: () => Connection | null,
    private readonly log: Logger,
  ) {}

  /** The newest state of every instance. */
  offer(updates: readonly InstanceUpdate[]): void {
    const named = new Set(updates.map((update) => update.rental_id));
    for (const update of updates) {
      if (this.acked.get(update.rental_id) === keyOf(update)) this.pending.delete(update.rental_id);
      else this.pending.set(update.rental_id, update);
    }
    for (const id of this.acked.keys()) if (!named.has(id)) this.acked.delete(id);
    keepOnly(this.toldGone, updates, 'gone');
    keepOnly(this.toldStopped, updates, 'stopped');
    void this.flush();
  }

  /** The server has acked that nothing of this instance is left. */
  hasToldGone(rentalId: string): boolean {
    return this.toldGone.has(rentalId);
  }

  /** The server has acked that it runs here no longer, whether its disk is kept or not. */
  hasToldOver(rentalId: string): boolean {
    return this.toldGone.has(rentalId) || this.toldStopped.has(rentalId);
  }

  /** A new connection: the server may be another one. */
  repeatAll(): void {
    this.acked.clear();
  }

  private async flush(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    try {
      for (;;) {
        const next = this.pending.values().next().value;
        if (!next || !this.connection()?.proven) return;
        if (!(await this.sendOne(next))) return this.later();
      }
    } finally {
      this.sending = false;
    }
  }

  private async sendOne(update: InstanceUpdate): Promise<boolean> {
    const connection = this.connection();
    if (!connection) return false;
    try {
      const ack = await connection.send('instance_update', update);
      if (!ack.ok && (ack.problem.retryable || COMES_LATER.has(ack.problem.code))) return false;
      if (!ack.ok) this.log.warn({ rental_id: update.rental_id, state: update.state, code: ack.problem.code }, 'the market did not take a report');
      this.acked.set(update.rental_id, keyOf(update));
      if (update.state === 'gone') this.toldGone.add(update.rental_id);
      if (update.state === 'stopped') this.toldStopped.add(update.rental_id);
      if (this.pending.get(update.rental_id) === update) this.pending.delete(update.rental_id);
      return true;
    } catch (error) {
      this.log.warn({ err: error, rental_id: update.rental_id }, 'a report was not answered; trying again');
      return false;
    }
  }

  private later(): void {
    if (this.retry) return;
    this.retry = setTimeout(() => {
      this.retry = null;
      void this.flush();
    }, RETRY_MS);
    this.retry.unref();
  }
}

function keepOnly(told: Set<string>, updates: readonly InstanceUpdate[], state: InstanceUpdate['state']): void {
  const still = new Set(updates.filter((update) => update.state === state).map((update) => update.rental_id));
  for (const id of told) if (!still.has(id)) told.delete(id);
}

/** What makes an update worth sending. Progress counts in whole percent, times not at all. */
function keyOf({ progress, phase_ms: _, ...rest }: InstanceUpdate): string {
  const percent = progress && progress.total_bytes > 0 ? Math.floor((100 * progress.current_bytes) / progress.total_bytes) : null;
  return JSON.stringify({ ...rest, percent });
}
