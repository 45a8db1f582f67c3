import { generateKeyPair, keyPairFromPem, parsePublicKey, privateKeyToPem, sha256Hex, type KeyPair, type PublicKey } from '@muster/proof';
import type { MasterKey } from '../platform/master-key.js';
import type { Tx } from '../platform/db.js';
import type { PrismaClient } from '@muster/prisma';

const PURPOSE = 'ledger';
const YEARS_MS = 365 * 86_400_000;
/** What was signed is looked at for as long as the market lives. */
const VERIFIES_MS = 100 * YEARS_MS;

/** The market's own Ed25519 key for the record of work and credit; made, and sealed with the master key, when there is none. */
export async function ledgerKey(tx: Tx, master: MasterKey, now: Date): Promise<KeyPair> {
  const row = await tx.signingKey.findFirst({ where: { purpose: PURPOSE, signsUntil: { gt: now } }, orderBy: { createdAt: 'desc' } });
  return row ? keyPairFromPem(master.openText(row.sealedPrivate)) : await makeKey(tx, master, now);
}

/** The caller holds the sealer's lock, so that two replicas do not make two. */
async function makeKey(tx: Tx, master: MasterKey, now: Date): Promise<KeyPair> {
  const pair = generateKeyPair();
  const { text } = pair.publicKey;
  const until = new Date(now.getTime() + VERIFIES_MS);
  await tx.signingKey.create({
    data: {
      kid: sha256Hex(text), purpose: PURPOSE, publicJwk: { kty: 'OKP', crv: 'Ed25519', x: text }, sealedPrivate: master.seal(privateKeyToPem(pair.privateKey)),
      createdAt: now, signsUntil: until, verifiesUntil: until,
    },
  });
  return pair;
}

/** Every key that ever signed the record. */
export async function ledgerPublicKeys(db: Tx | PrismaClient): Promise<PublicKey[]> {
  const rows = await db.signingKey.findMany({ where: { purpose: PURPOSE }, select: { publicJwk: true } });
  return rows.flatMap(({ publicJwk }) => parsePublicKey(String((publicJwk as { x?: unknown }).x)) ?? []);
}
