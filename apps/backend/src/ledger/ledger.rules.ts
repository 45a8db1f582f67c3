import type { AccountKind, MicroUsd } from '@muster/shared-types';

/** An account by what it is for. `ownerId` null: one of the market's own. */
export interface AccountRef {
  ownerId: string | null;
  kind: AccountKind;
}

/** What a transfer is for, as it stands in statements. */
export type TransferKind = 'grant' | 'rental';

/** Moves an amount from one account to another, once: the id is made by the caller and is its idempotency key. */
export interface Transfer {
  id: string;
  from: AccountRef;
  to: AccountRef;
  amountMicro: MicroUsd;
  kind: TransferKind;
  /** The rental or payment it belongs to. */
  referenceId: string | null;
  memo: string;
}

export const prepaidOf = (ownerId: string): AccountRef => ({ ownerId, kind: 'prepaid' });
export const earningsOf = (ownerId: string): AccountRef => ({ ownerId, kind: 'earnings' });
export const PAYMENTS_IN: AccountRef = { ownerId: null, kind: 'payments_in' };

/** The distinct accounts of people that these transfers touch. */
export function accountsOfPeople(transfers: readonly Transfer[]): { ownerId: string; kind: AccountKind }[] {
  const found = new Map<string, { ownerId: string; kind: AccountKind }>();
  for (const { ownerId, kind } of transfers.flatMap((transfer) => [transfer.from, transfer.to])) {
    if (ownerId !== null) found.set(`${ownerId} ${kind}`, { ownerId, kind });
  }
  return [...found.values()];
}
