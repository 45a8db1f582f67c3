import type { PrismaClient } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { ChainCheck } from './chain.rules.js';
import { sealedAfter } from './entries.store.js';
import { ledgerPublicKeys } from './ledger-key.js';

const PAGE = 2_000;

/** Looks the whole record of work and credit through; each finding names an entry. Empty when it is as it was sealed. */
export async function verifyEntries(db: Tx | PrismaClient): Promise<string[]> {
  const check = new ChainCheck(await ledgerPublicKeys(db));
  let after = 0n;
  for (;;) {
    const page = await sealedAfter(db, after, PAGE);
    for (const link of page) check.push(link);
    const last = page.at(-1);
    if (!last || page.length < PAGE) break;
    after = last.seq;
  }
  check.end();
  return check.findings;
}
