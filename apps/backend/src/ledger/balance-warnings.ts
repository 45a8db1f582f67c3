import { Injectable } from '@nestjs/common';
import { Db } from '../platform/db.js';
import { Outbox } from '../platform/outbox.js';

/** Minutes before zero at which a renter is told. */
const WARN_AT_MINUTES = [60, 15, 5];

/** Tells renters that their balance is about to reach zero: one `BalanceLow` event per threshold and predicted moment. */
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
      SELECT 'BalanceLow', due.id, jsonb_build_object('minutes', due.minutes, 'zero_at', due.zero_at), ${at}::timestamptz
      FROM (SELECT u.id, min(w.minutes) AS minutes, to_char(u."zeroAt" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS zero_at
            FROM "User" u JOIN unnest(${WARN_AT_MINUTES}::int[]) AS w(minutes) ON u."zeroAt" <= ${at}::timestamptz + w.minutes * interval '1 minute'
            WHERE u."zeroAt" > ${at}::timestamptz GROUP BY u.id) due
      WHERE NOT EXISTS (
        SELECT 1 FROM "OutboxEvent" o WHERE o."aggregateId" = due.id AND o.name = 'BalanceLow'
          AND o.payload->>'zero_at' = due.zero_at AND (o.payload->>'minutes')::int <= due.minutes)`;
    if (told > 0) this.outbox.wake();
  }
}
