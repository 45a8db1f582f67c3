import type { Payload, TaskUpdate } from '@muster/shared-types';
import type { Logger } from 'pino';
import type { Connection } from '../link/connection.js';
import { keyOf } from './sandbox-spec.js';

export type Update = TaskUpdate['updates'][number];

const GATHER_MS = 100;
const RETRY_MS = 2_000;
const MAX_PER_FRAME = 256;

/** Tells the market how far executions are: the newest phase of each, many in one frame. Decides nothing, so a loss is only late. */
export class TaskUpdates {
  private readonly latest = new Map<string, Update>();
  private readonly pending = new Set<string>();
  private timer: NodeJS.Timeout | null = null;
  private sending = false;

  constructor(
    private readonly connection: () => Pick<Connection, 'send' | 'proven'> | null,
    private readonly log: Logger,
  ) {}

  set(update: Update): void {
    const key = keyOf(update);
    const before = this.latest.get(key);
    this.latest.set(key, update);
    if (before && wordsOf(before) === wordsOf(update)) return;
    this.pending.add(key);
    this.soon(GATHER_MS);
  }

  /** Its report says the rest. */
  forget(key: string): void {
    this.latest.delete(key);
    this.pending.delete(key);
  }

  /** A new connection: the server may be another one. */
  repeatAll(): void {
    for (const key of this.latest.keys()) this.pending.add(key);
    this.soon(GATHER_MS);
  }

  private soon(ms: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      void this.flush();
    }, ms).unref();
  }

  private async flush(): Promise<void> {
    const connection = this.connection();
    if (this.sending || this.pending.size === 0 || !connection?.proven) return;
    const keys = [...this.pending].slice(0, MAX_PER_FRAME);
    const updates = keys.flatMap((key) => this.latest.get(key) ?? []);
    for (const key of keys) this.pending.delete(key);
    this.sending = true;
    const taken = await this.send(connection, { updates });
    this.sending = false;
    for (const update of updates) if (taken && update.phase === 'refused') this.latest.delete(keyOf(update));
    if (!taken) for (const key of keys) if (this.latest.has(key)) this.pending.add(key);
    if (this.pending.size > 0) this.soon(taken ? 0 : RETRY_MS);
  }

  /** True when it was taken or will never be. */
  private async send(connection: Pick<Connection, 'send'>, payload: Payload<'task_update'>): Promise<boolean> {
    try {
      const ack = await connection.send('task_update', payload);
      if (!ack.ok && !ack.problem.retryable) this.log.warn({ code: ack.problem.code }, 'the market did not take an update of executions');
      return ack.ok || !ack.problem.retryable;
    } catch (error) {
      this.log.warn({ err: error }, 'an update of executions was not answered; trying again');
      return false;
    }
  }
}

/** What makes an update worth sending: progress counts in whole percent. */
function wordsOf({ phase, progress, detail }: Update): string {
  const percent = progress && progress.total_bytes > 0 ? Math.floor((100 * progress.current_bytes) / progress.total_bytes) : null;
  return JSON.stringify([phase, percent, detail]);
}
