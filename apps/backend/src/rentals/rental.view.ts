import { formatUsd, PricePart, RentalEndReason, RentalPhase, type ConnectionInfo, type RentalView, type MicroUsd } from '@muster/shared-types';
import { z } from 'zod';
import { ratesOf } from '../ledger/for-rentals.js';
import { ceilSecond, floorSecond } from '../ledger/whole-seconds.rules.js';
import { accrued, ownDeadline, type DeadlineBy, type RunningLine } from '../ledger/zero-at.rules.js';
import { actionsOf, LIVE } from './rental.rules.js';
import { RentalConnection, RentalSpec, type RentalSecrets } from './rental-spec.js';
import type { ViewRental } from './rentals.store.js';

export interface ViewExtras {
  now: Date;
  /** Null: the caller may see the rental but not get in. */
  secrets: RentalSecrets | null;
  progress: RentalView['progress'];
}

const Parts = z.array(PricePart);
const PhaseMs = z.record(z.string(), z.number());

/** A rental as its renter sees it. Pure: everything that changes comes in. */
export function rentalView(rental: ViewRental, extras: ViewExtras): RentalView {
  const spec = RentalSpec.parse(rental.spec);
  return {
    id: rental.id,
    node_id: rental.nodeId,
    node_name: rental.node.name,
    offer_id: rental.offerId,
    template: rental.templateSlug,
    image: rental.image,
    status: rental.status,
    phase: rental.status === 'starting' ? RentalPhase.parse(rental.phase ?? 'queued') : null,
    progress: rental.status === 'starting' ? extras.progress : null,
    phase_ms: PhaseMs.parse(rental.phaseMs),
    num_gpus: rental.numGpus,
    gpu_name: spec.gpu_name,
    cpu_cores: rental.cpuCores,
    ram_mb: rental.ramMb,
    disk_gb: rental.diskGb,
    created_at: rental.createdAt.toISOString(),
    start_time: iso(rental.startTime),
    end_time: iso(rental.endTime),
    end_reason: rental.endReason === null ? null : RentalEndReason.parse(rental.endReason),
    fault: rental.faultCode === null ? null : { code: rental.faultCode, message: rental.faultMessage ?? '' },
    connection: rental.status === 'running' && extras.secrets ? connectionOf(rental, spec, extras.secrets) : null,
    billing: billingOf(rental, extras.now),
    released: rental.releasedAt !== null,
    actions: actionsOf(rental.status, spec.ssh),
    warnings: warningsOf(rental),
  };
}

const iso = (at: Date | null): string | null => at?.toISOString() ?? null;

/** How to get in, with the one line that lets `StrictHostKeyChecking=yes` succeed. */
export function connectionOf(rental: Pick<ViewRental, 'connectionInfo' | 'sshHostKey'>, spec: RentalSpec, secrets: RentalSecrets): ConnectionInfo {
  const { host, ports } = RentalConnection.parse(rental.connectionInfo);
  const sshPort = ports['22'];
  const jupyterPort = ports[String(spec.jupyter_port)];
  const ssh = spec.ssh && sshPort !== undefined && rental.sshHostKey !== null
    ? { user: 'root', port: sshPort, command: `ssh -p ${sshPort} root@${host}`, known_hosts: `${knownHost(host, sshPort)} ${rental.sshHostKey}` }
    : null;
  const jupyter = jupyterPort !== undefined && secrets.jupyter_token !== null
    ? { port: jupyterPort, url: `http://${host.includes(':') ? `[${host}]` : host}:${jupyterPort}/lab?token=${secrets.jupyter_token}`, token: secrets.jupyter_token }
    : null;
  return { host, ports, ssh, jupyter };
}

/** OpenSSH writes the port only when it is not 22. */
const knownHost = (host: string, port: number): string => (port === 22 ? host : `[${host}]:${port}`);

function billingOf(rental: ViewRental, now: Date): RentalView['billing'] {
  return {
    dph_total: formatUsd(rental.rateMicroHour),
    stopped_dph: formatUsd(rental.storageMicroHour),
    parts: Parts.parse(rental.priceParts),
    settled_usd: formatUsd(rental.settledMicro),
    billed_seconds: Number(rental.billedSeconds),
    stored_seconds: Number(rental.storedSeconds),
    stored_since: iso(rental.storedSince),
    billed_through: iso(rental.billedThrough),
    cost_usd: formatUsd(costNow(rental, now)),
    max_spend_usd: rental.maxSpendMicro === null ? null : formatUsd(rental.maxSpendMicro),
    run_until: iso(rental.runUntil),
    deadline_at: iso(rental.deadlineAt),
    deadline_by: deadlineBy(rental),
  };
}

/** Settled, and what has been used since when it still runs. A silence that may turn out to be free counts as used. */
function costNow(rental: ViewRental, now: Date): MicroUsd {
  const line = lineOf(rental);
  if (!line || rental.endTime) return rental.settledMicro;
  const until = [now, rental.deadlineAt, rental.stopRequestedAt].filter((at) => at !== null).map(floorSecond);
  return rental.settledMicro + accrued(line, Math.max(line.billedThroughS, Math.min(...until)));
}

/** The rental as a line over time; null before it ran. */
export function lineOf(rental: Omit<ViewRental, 'node'>): RunningLine | null {
  if (rental.billedThrough === null) return null;
  return {
    rentalId: rental.id,
    ...ratesOf({ ...rental, stored: rental.storedSince !== null }),
    billedThroughS: floorSecond(rental.billedThrough),
    settledMicro: rental.settledMicro,
    gaps: rental.gaps.map((gap) => ({ fromS: floorSecond(gap.fromAt), toS: ceilSecond(gap.toAt) })),
    runUntilS: rental.runUntil && floorSecond(rental.runUntil),
    maxSpendMicro: rental.maxSpendMicro,
  };
}

/** Which limit the stored deadline is; null when nothing ends the rental. */
export function deadlineBy(rental: Omit<ViewRental, 'node'>): DeadlineBy | null {
  const line = lineOf(rental);
  if (!line || rental.deadlineAt === null) return null;
  const own = ownDeadline(line);
  return own && own.atS <= floorSecond(rental.deadlineAt) ? own.by : 'balance';
}

function warningsOf(rental: ViewRental): string[] {
  if (!LIVE.includes(rental.status)) return [];
  const own = rental.node.ownerId === rental.renterId ? ['This is your own machine: the price moves from your balance to your earnings.'] : [];
  return [...KEPT_WORDS[rental.keepDisk ? 'stopped' : 'running'], ...own];
}

/** What is kept, and until when, in words. */
const KEPT_WORDS = {
  running: ['Stop keeps /workspace and nothing else; destroy, and every end that is not a stop, deletes it.'],
  stopped: ['/workspace is kept on its machine and billed; everything else in the container is gone. Another renter may take its place there: start then waits.'],
} as const;
