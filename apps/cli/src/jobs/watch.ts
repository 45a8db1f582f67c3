import { setTimeout as sleep } from 'node:timers/promises';
import type { MarketClient } from '@muster/client';
import type { JobView } from '@muster/shared-types';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say } from '../output/io.js';
import { seconds } from '../output/words.js';
import { hasEnded, jobName, progressWords } from './job-words.js';

const FIRST_POLL_MS = 100;
const LAST_POLL_MS = 1_000;
/** Work takes as long as it takes; nodes that nobody has do not come by waiting longer. */
const PATIENCE_WITHOUT_NODES_MS = 10 * 60_000;

/** Follows a job to its end, with a line per change and on a terminal one that ticks. Throws when nothing can run it for long. */
export async function watchJob(io: Io, client: MarketClient, submitted: JobView): Promise<JobView> {
  const line = new ProgressLine(io);
  let stuckSince: number | undefined;
  let pollMs = FIRST_POLL_MS;
  for (let job = submitted; ; job = await client.call('getJob', { params: { job_id: submitted.id } })) {
    line.show(job);
    if (hasEnded(job)) {
      line.end();
      return job;
    }
    const stuck = job.waiting_for !== null && job.progress.executions_running === 0;
    stuckSince = stuck ? (stuckSince ?? performance.now()) : undefined;
    if (stuckSince !== undefined && performance.now() - stuckSince > PATIENCE_WITHOUT_NODES_MS) throw stillWaiting(job);
    await sleep(pollMs);
    pollMs = Math.min(LAST_POLL_MS, pollMs * 1.1);
  }
}

const stillWaiting = (job: JobView): CliError =>
  new CliError(`${jobName(job)} still waits: ${job.waiting_for?.message ?? ''}`, EXIT.timedOut, 'It goes on waiting in the market. End it with: muster cancel 1');

/** Of a job with many tasks, some run while others wait: only its way forward is told. */
const FORWARD = ['pending', 'scheduled', 'running', 'verifying'];
/** Where lines cannot be drawn again, long work says this often how far it is. */
const TELL_EVERY_MS = 10_000;

/** One line per state and per reason to wait; in between the present one is drawn again where a person watches. */
class ProgressLine {
  private state = '';
  private waiting: string | undefined;
  private sinceMs = performance.now();
  private toldMs = this.sinceMs;

  constructor(private readonly io: Io) {}

  show(job: JobView): void {
    if (hasEnded(job) || FORWARD.indexOf(job.status) > FORWARD.indexOf(this.state)) {
      this.end();
      this.state = hasEnded(job) ? '' : job.status;
      this.sinceMs = performance.now();
    }
    this.wait(job);
    if (!this.state) return;
    const words = `${this.io.paint.blue('•')} ${this.state}  ${progressWords(job)}  ${this.elapsed()}`;
    if (this.isDrawn) this.io.stdout.write(`\r\x1b[K${words}`);
    else if (performance.now() - this.toldMs > TELL_EVERY_MS) this.tell(words);
  }

  private tell(words: string): void {
    this.toldMs = performance.now();
    say(this.io, words);
  }

  end(): void {
    if (!this.state) return;
    this.wipe();
    say(this.io, `${this.io.paint.green('✓')} ${this.state.padEnd(11)} ${this.elapsed()}`);
    this.state = '';
  }

  private wait({ waiting_for }: JobView): void {
    const message = waiting_for?.message;
    if (message !== undefined && message !== this.waiting) {
      this.wipe();
      say(this.io, `${this.io.paint.yellow('!')} waits: ${message}`);
    }
    this.waiting = message;
  }

  private get isDrawn(): boolean {
    return this.io.isTty && !this.io.json;
  }

  private wipe(): void {
    if (this.isDrawn) this.io.stdout.write('\r\x1b[K');
  }

  private elapsed = (): string => seconds(performance.now() - this.sinceMs);
}
