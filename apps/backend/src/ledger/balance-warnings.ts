import { Injectable } from '@nestjs/common';
import { Db } from '../platform/db.js';
import { Outbox } from '../platform/outbox.js';

/** Minutes before what runs is stopped for want of money, and before what is stopped loses its disk, at which a renter is told. */
const RUNNING_MINUTES = [60, 15, 5];
const STOPPED_MINUTES = [48 * 60, 24 * 60, 2 * 60];

/** Tells renters that their balance is about to be used up: one `BalanceLow` event per threshold and predicted moment. */
@Injectable()
export class BalanceWarnings {
  constructor(
    private readonly db: Db,
    private readonly outbox: Outbox,
  ) {}

  async pass(now: Date): Promise<void> {
    const at = now.toISOString();
    const told = await this.db.client.$executeRaw`
      INSERT INTO "OutboxEvent" (name, "aggregateId", payload, "createdAt")
      SELECT 'BalanceLow', due.id, jsonb_build_object('minutes', due.minutes, 'zero_at', due.zero_at, 'deletes_disks', NOT due.runs), ${at}::timestamptz
      FROM (SELECT u.id, u.runs, min(w.minutes) AS minutes, to_char(u."zeroAt" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS zero_at
            FROM (SELECT id, "zeroAt", EXISTS (SELECT 1 FROM "Rental" r WHERE r."renterId" = "User".id AND r.status = 'running') AS runs
                  FROM "User" WHERE "zeroAt" > ${at}::timestamptz AND "zeroAt" <= ${at}::timestamptz + ${Math.max(...STOPPED_MINUTES)}::int * interval '1 minute') u
            JOIN LATERAL unnest(CASE WHEN u.runs THEN ${RUNNING_MINUTES}::int[] ELSE ${STOPPED_MINUTES}::int[] END) AS w(minutes)
              ON u."zeroAt" <= ${at}::timestamptz + w.minutes * interval '1 minute'
            GROUP BY u.id, u.runs, u."zeroAt") due
      WHERE NOT EXISTS (
        SELECT 1 FROM "OutboxEvent" o WHERE o."aggregateId" = due.id AND o.name = 'BalanceLow'
          AND o.payload->>'zero_at' = due.zero_at AND (o.payload->>'minutes')::int <= due.minutes)`;
    if (told > 0) this.outbox.wake();
  }
}
