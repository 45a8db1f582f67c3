import type { RentalStatus } from '@muster/shared-types';
import type { Tx } from '../platform/db.js';
import type { InstanceKey } from './covered-marks.js';
import { DISK_EPOCH } from './disk-epoch.rules.js';
import { floorSecond, type Stretch } from './whole-seconds.rules.js';
import { ratesOf } from './rates.rules.js';
import type { RunningLine } from './zero-at.rules.js';

/**
 * A rental whose cost is not final: it runs; its disk is kept; or it is ending and the last moment it was covered is not
 * known yet. `epoch` is that of the mark which covers it now (`DISK_EPOCH` while it is billed for its disk only).
 */
export interface OpenRental extends InstanceKey {
  status: RentalStatus;
  /** It is billed for its disk only. */
  stored: boolean;
  line: RunningLine;
  deadlineAt: Date | null;
  stopRequestedAt: Date | null;
}

/** It runs, or its disk is kept, and nobody has told it to end. */
export const isBilledOn = ({ status, stored, stopRequestedAt }: Pick<OpenRental, 'status' | 'stored' | 'stopRequestedAt'>): boolean =>
  (status === 'running' || stored) && stopRequestedAt === null;

interface Row {
  id: string;
  node_id: string;
  epoch: number;
  status: RentalStatus;
  rate: bigint;
  storage_rate: bigint;
  stored: boolean;
  keeps_disk: boolean;
  billed_through: Date;
  billed_seconds: bigint;
  stored_seconds: bigint;
  settled: bigint;
  run_until: Date | null;
  max_spend: bigint | null;
  deadline_at: Date | null;
  stop_requested_at: Date | null;
  gaps: { from_s: number; to_s: number }[] | null;
}

/** All rentals of this renter whose cost is not final, by id. */
export async function openRentalsOf(tx: Tx, renterId: string): Promise<OpenRental[]> {
  const rows = await tx.$queryRaw<Row[]>`
    SELECT r.id, r."nodeId" AS node_id, r.epoch, r.status::text AS status, r."rateMicroHour" AS rate, r."billedThrough" AS billed_through,
           r."storageMicroHour" AS storage_rate, r."storedSince" IS NOT NULL AS stored, r.status <> 'stopping' OR r."keepDisk" AS keeps_disk, r."billedSeconds" AS billed_seconds, r."storedSeconds" AS stored_seconds, r."settledMicro" AS settled, r."runUntil" AS run_until, r."maxSpendMicro" AS max_spend,
           r."deadlineAt" AS deadline_at, r."stopRequestedAt" AS stop_requested_at,
           (SELECT json_agg(json_build_object('from_s', extract(epoch FROM g."fromAt")::bigint, 'to_s', extract(epoch FROM g."toAt")::bigint))
            FROM "RentalGap" g WHERE g."rentalId" = r.id AND g."toAt" > r."billedThrough") AS gaps
    FROM "Rental" r
    WHERE r."renterId" = ${renterId}::uuid AND r."billedThrough" IS NOT NULL AND r."endTime" IS NULL AND r.status IN ('running', 'stopping', 'stopped', 'starting')
    ORDER BY r.id`;
  return rows.map(openRental);
}

function openRental(row: Row): OpenRental {
  const gaps: Stretch[] = (row.gaps ?? []).map((gap) => ({ fromS: Number(gap.from_s), toS: Number(gap.to_s) }));
  return {
    rentalId: row.id,
    nodeId: row.node_id,
    epoch: row.stored ? DISK_EPOCH : row.epoch,
    status: row.status,
    stored: row.stored,
    deadlineAt: row.deadline_at,
    stopRequestedAt: row.stop_requested_at,
    line: {
      rentalId: row.id,
      ...ratesOf({ stored: row.stored, rateMicroHour: row.rate, storageMicroHour: row.storage_rate, billedSeconds: row.billed_seconds, storedSeconds: row.stored_seconds }),
      billedThroughS: floorSecond(row.billed_through),
      settledMicro: row.settled,
      gaps,
      runUntilS: earliestSecond(row.run_until, row.stop_requested_at),
      maxSpendMicro: row.max_spend,
      diskMicroHour: row.keeps_disk ? row.storage_rate : 0n,
      stored: row.stored,
    },
  };
}

/** A rental that was told to stop costs nothing at its present rate after that, whatever it may still turn out to have cost before it. */
function earliestSecond(...moments: (Date | null)[]): number | null {
  const seconds = moments.filter((moment) => moment !== null).map(floorSecond);
  return seconds.length === 0 ? null : Math.min(...seconds);
}
