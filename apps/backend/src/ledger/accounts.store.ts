import { Prisma } from '@muster/prisma';
import type { MicroUsd } from '@muster/shared-types';
import type { Tx } from '../platform/db.js';

export interface Balances {
  prepaidMicro: MicroUsd;
  earningsMicro: MicroUsd;
}

/** What a person's accounts hold; 0 for an account that does not exist yet. */
export async function balancesOf(tx: Tx, userId: string): Promise<Balances> {
  const accounts = await tx.ledgerAccount.findMany({ where: { ownerId: userId }, select: { kind: true, balance: true } });
  const balance = (kind: string): bigint => accounts.find((account) => account.kind === kind)?.balance ?? 0n;
  return { prepaidMicro: balance('prepaid'), earningsMicro: balance('earnings') };
}

/**
 * Locks the rows of these people until the transaction ends: everything that spends or promises money of a person comes
 * through here first, so a balance cannot be promised twice. By id, so that two of us never wait for each other.
 */
export async function lockUsers(tx: Tx, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return;
  await tx.$queryRaw(Prisma.sql`SELECT id FROM "User" WHERE id = ANY(${[...new Set(userIds)]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`);
}
