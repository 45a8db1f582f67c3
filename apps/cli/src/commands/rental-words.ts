import type { RentalView } from '@muster/shared-types';
import type { Io } from '../output/io.js';
import { duration, facts, gib, secondsUntil, seconds, stateWord, usd, when } from '../output/words.js';
import { shortId } from './recall.js';

export const rentalName = (rental: Pick<RentalView, 'id'>): string => shortId('rental', rental.id);

const END_WORDS: Record<NonNullable<RentalView['end_reason']>, string> = {
  destroyed: 'you destroyed it',
  balance_exhausted: 'the balance was used up',
  run_until: 'its end time was reached',
  spend_limit: 'its spend limit was reached',
  account_suspended: 'an operator suspended the account',
  host_retired: 'the host left the market',
  host_shutdown: 'the host was shut down',
  host_fault: 'the machine had a fault',
  host_lost: 'the host was silent for too long',
  instance_exited: 'the instance ended by itself',
  disk_overrun: 'it filled the disk outside /workspace',
  disk_lost: 'the host no longer has its disk',
  start_failed: 'it could not be started; it cost nothing',
};

export const endWords = (rental: RentalView): string => (rental.end_reason ? END_WORDS[rental.end_reason] : '');

const DEADLINE_WORDS = { balance: 'when the balance is used up', spend_limit: 'at the spend limit', run_until: 'at the time you set' } as const;

/** Everything about one rental, in the order: state, cost, what can be done, how to get in. */
export function rentalFacts(io: Io, rental: RentalView, nowMs: number): string {
  const { billing } = rental;
  return facts(io, [
    ['rental', `${rentalName(rental)}  ${io.paint.dim(rental.id)}`],
    ['state', `${stateWord(io, rental.status)}${rental.phase && rental.status === 'starting' ? ` (${rental.phase})` : ''}${rental.end_reason ? ` – ${endWords(rental)}` : ''}`],
    ...(rental.fault ? ([['reason', `${rental.fault.message} ${io.paint.dim(rental.fault.code)}`]] as const) : []),
    ['machine', `${rental.node_name}: ${rental.num_gpus > 0 ? `${rental.num_gpus}× ${rental.gpu_name}, ` : ''}${rental.cpu_cores} vCPU, ${gib(rental.ram_mb)} RAM, ${rental.disk_gb} GB disk`],
    ['image', rental.image],
    ['rate', billing.stored_since ? `${usd(billing.stopped_dph)}/h for its disk, since ${when(billing.stored_since)}; ${usd(billing.dph_total)}/h while it runs` : `${usd(billing.dph_total)}/h (${usd(billing.stopped_dph)}/h while stopped)`],
    ['cost', `${usd(billing.cost_usd)}${billing.max_spend_usd ? ` of at most ${usd(billing.max_spend_usd)}` : ''}`],
    ...(billing.deadline_at && !rental.end_time && billing.deadline_by
      ? ([[billing.stored_since ? 'disk goes' : 'ends', `${when(billing.deadline_at)}, in ${duration(secondsUntil(billing.deadline_at, nowMs))}, ${DEADLINE_WORDS[billing.deadline_by]}`]] as const)
      : []),
    ['rented', when(rental.created_at)],
    ...(rental.start_time ? ([['first ran', when(rental.start_time)]] as const) : []),
    ...(billing.stored_since || billing.stored_seconds > 0 ? ([['settled', `${duration(billing.billed_seconds)} running, ${duration(billing.stored_seconds)} stopped`]] as const) : []),
    ...(rental.end_time ? ([['ended', when(rental.end_time)]] as const) : []),
    ...(Object.keys(rental.phase_ms).length > 0 ? ([['phases', phaseWords(rental.phase_ms)]] as const) : []),
    ...(rental.connection ? ([['ports', Object.entries(rental.connection.ports).map(([inside, outside]) => `${inside} → ${rental.connection?.host}:${outside}`).join(', ')]] as const) : []),
    ['you can', rental.actions.length > 0 ? rental.actions.join(', ') : 'nothing more'],
    ...rental.warnings.map((warning) => ['note', warning] as const),
  ]);
}

export const phaseWords = (phases: Record<string, number>): string =>
  Object.entries(phases)
    .map(([name, ms]) => `${name} ${seconds(ms)}`)
    .join(' · ');

/** Lines ready to be pasted. */
export function connectWords(io: Io, rental: RentalView, number: number): string {
  const { connection } = rental;
  if (!connection) return '';
  const lines: (readonly [string, string])[] = [];
  if (connection.ssh) {
    lines.push(['shell', `muster ssh ${number}`], ['copy', `muster scp FILE ${number}:/workspace/`]);
    lines.push(['plain ssh', `muster ssh-config && ssh muster-${number}`]);
  }
  if (connection.jupyter) lines.push(['jupyter', `muster open ${number} jupyter`]);
  lines.push(['stop it', `muster stop ${number}`], ['end it', `muster destroy ${number}`]);
  return facts(io, lines.map(([name, command]) => [name, io.paint.bold(command)] as const));
}
