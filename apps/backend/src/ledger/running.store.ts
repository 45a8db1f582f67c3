import type { RentalStatus } from '@muster/shared-types';
import type { Tx } from '../platform/db.js';
import type { InstanceKey } from './covered-marks.js';
import { floorSecond, type Stretch } from './whole-seconds.rules.js';
import type { RunningLine } from './zero-at.rules.js';

/** A rental whose cost is not final: it runs, or it was stopped and the last moment it was covered is not known yet. */
export interface OpenRental extends InstanceKey {
  status: RentalStatus;
  line: RunningLine;
  deadlineAt: Date | null;
  stopRequestedAt: Date | null;
}

interface Row {
  id: string;
  node_id: string;
  epoch: number;
  status: RentalStatus;
  rate: bigint;
  billed_through: Date;
  billed_seconds: bigint;
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
           r."billedSeconds" AS billed_seconds, r."settledMicro" AS settled, r."runUntil" AS run_until, r."maxSpendMicro" AS max_spend,
           r."deadlineAt" AS deadline_at, r."stopRequestedAt" AS stop_requested_at,
           (SELECT json_agg(json_build_object('from_s', extract(epoch FROM g."fromAt")::bigint, 'to_s', extract(epoch FROM g."toAt")::bigint))
            FROM "RentalGap" g WHERE g."rentalId" = r.id AND g."toAt" > r."billedThrough") AS gaps
    FROM "Rental" r
    WHERE r."renterId" = ${renterId}::uuid AND r."billedThrough" IS NOT NULL AND r."endTime" IS NULL AND r.status IN ('running', 'stopping')
    ORDER BY r.id`;
  return rows.map(openRental);
}

function openRental(row: Row): OpenRental {
  const gaps: Stretch[] = (row.gaps ?? []).map((gap) => ({ fromS: Number(gap.from_s), toS: Number(gap.to_s) }));
  return {
    rentalId: row.id,
    nodeId: row.node_id,
    epoch: row.epoch,
    status: row.status,
    deadlineAt: row.deadline_at,
    stopRequestedAt: row.stop_requested_at,
    line: {
      rentalId: row.id,
      rateMicroHour: row.rate,
      billedThroughS: floorSecond(row.billed_through),
      billedSeconds: Number(row.billed_seconds),
      settledMicro: row.settled,
      gaps,
      runUntilS: earliestSecond(row.run_until, row.stop_requested_at),
      maxSpendMicro: row.max_spend,
    },
  };
}

/** A stopped rental costs nothing after the stop, whatever it may still turn out to have cost before it. */
function earliestSecond(...moments: (Date | null)[]): number | null {
  const seconds = moments.filter((moment) => moment !== null).map(floorSecond);
  return seconds.length === 0 ? null : Math.min(...seconds);
}
