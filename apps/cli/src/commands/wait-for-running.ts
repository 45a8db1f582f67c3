import type { MarketClient } from '@muster/client';
import type { RentalView } from '@muster/shared-types';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say } from '../output/io.js';
import { seconds } from '../output/words.js';
import { endWords, rentalName } from './rental-words.js';

const POLL_MS = 150;
const PATIENCE_MS = 20 * 60_000;

/** Polls until the rental runs, one line per phase with its seconds. A failure says why and that it cost nothing. */
export async function waitForRunning(io: Io, client: MarketClient, rental: RentalView): Promise<RentalView> {
  const startedMs = performance.now();
  const progress = new PhaseLine(io);
  for (let now = rental; ; now = await client.call('getRental', { params: { rental_id: rental.id } })) {
    progress.show(now);
    if (now.status === 'running') {
      progress.end();
      say(io, `${io.paint.green('✓')} ${rentalName(now)} is running after ${seconds(performance.now() - startedMs)}`);
      return now;
    }
    if (now.status !== 'pending' && now.status !== 'starting') throw failed(now);
    if (performance.now() - startedMs > PATIENCE_MS) throw new CliError(`${rentalName(now)} is still ${now.phase ?? now.status}.`, EXIT.timedOut, rental.billing.stored_since ? 'Only its disk is charged before it runs. Look again with: muster show 1' : 'It costs nothing before it runs. Look again with: muster show 1');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function failed(rental: RentalView): CliError {
  const why = rental.fault?.message ?? endWords(rental);
  if (rental.billing.stored_since && rental.end_reason === null) return new CliError(`${rentalName(rental)} did not start: ${why}`, EXIT.failed, 'Its disk is kept. Try again with: muster start 1');
  const cost = rental.status === 'failed' ? ' It cost nothing.' : '';
  return new CliError(`${rentalName(rental)} did not start: ${why}${cost}`, rental.end_reason === 'destroyed' ? EXIT.refused : EXIT.failed, 'Try another offer: muster search');
}

/** One line per phase; on a terminal the present one ticks. */
class PhaseLine {
  private phase = '';
  private sinceMs = performance.now();

  constructor(private readonly io: Io) {}

  show(rental: RentalView): void {
    const phase = rental.phase ?? (rental.status === 'running' ? '' : rental.status);
    if (phase !== this.phase) {
      this.end();
      this.phase = phase;
      this.sinceMs = performance.now();
    }
    if (this.phase && this.io.isTty && !this.io.json) this.io.stdout.write(`\r\x1b[K${this.io.paint.blue('•')} ${this.phase}${percent(rental)}  ${this.elapsed()}`);
  }

  end(): void {
    if (!this.phase) return;
    if (this.io.isTty && !this.io.json) this.io.stdout.write('\r\x1b[K');
    say(this.io, `${this.io.paint.green('✓')} ${this.phase.padEnd(11)} ${this.elapsed()}`);
    this.phase = '';
  }

  private elapsed(): string {
    return seconds(performance.now() - this.sinceMs);
  }
}

function percent({ progress }: RentalView): string {
  if (!progress || progress.total_bytes === 0) return '';
  return ` ${Math.floor((100 * progress.current_bytes) / progress.total_bytes)} %`;
}
