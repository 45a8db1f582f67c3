import { parseArgs } from 'node:util';
import { migrateDeploy } from '@muster/prisma';
import { parseUsd, UsdInput } from '@muster/shared-types';
import { v5 } from 'uuid';
import { z } from 'zod';
import { ConfigError, type Config } from './config.js';
import { newApiKeyRow } from './identity/api-keys.js';
import { hashPassword, randomPassword } from './identity/passwords.js';
import { post } from './ledger/ledger.js';
import { PAYMENTS_IN, prepaidOf } from './ledger/ledger.rules.js';
import { Clock } from './platform/clock.js';
import { Db, type Tx } from './platform/db.js';
import { newId } from './platform/ids.js';
import { MasterKey } from './platform/master-key.js';
import { SigningKeys } from './platform/signing-keys.js';
import { withTx } from './platform/tx.js';
import { lockBootstrap, prepareMarket, type PreparedMarket } from './prepare-market.js';

export interface BootstrapOptions {
  /** E-mail of the operator's account; without one only the market's own rows are made. */
  email: string | undefined;
  /** Test credit that the account gets once, in USD. */
  grantUsd: string;
  /** Makes a new password and new keys for an account that exists: for when the printed ones were lost. */
  replaceSecrets: boolean;
}

/** What is printed. Secrets appear only when they were made by this very run; afterwards nobody can read them again. */
export interface Bootstrapped extends PreparedMarket {
  account?: { id: string; email: string };
  /** False when the account was there before. */
  created?: boolean;
  /** True when this run granted the credit; it is granted once. */
  granted?: boolean;
  secrets?: { password: string; api_key: string; host_api_key: string };
}

/** Names of the keys that this command makes, and replaces. */
const CLI_KEY = 'muster cli';
const HOST_KEY = 'muster first host';

export function parseBootstrapArgs(argv: readonly string[]): BootstrapOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: { email: { type: 'string' }, grant: { type: 'string', default: '25' }, 'replace-secrets': { type: 'boolean', default: false } },
  });
  const email = z.email().max(254).optional().safeParse(values.email);
  if (!email.success) throw new ConfigError('bootstrap: --email must be an e-mail (example: --email operator@localhost.localdomain)');
  const grant = UsdInput.safeParse(values.grant);
  if (!grant.success) throw new ConfigError('bootstrap: --grant must be an amount in USD (example: --grant 25)');
  return { email: email.data?.toLowerCase(), grantUsd: grant.data, replaceSecrets: values['replace-secrets'] };
}

/** Migrates and makes what a market needs before its first request. Safe to run again, and beside itself. */
export async function bootstrapMarket(config: Config, options: BootstrapOptions): Promise<Bootstrapped> {
  await migrateDeploy(config.databaseUrl);
  const db = new Db(config);
  const clock = new Clock();
  try {
    const keys = new SigningKeys(db, clock, new MasterKey(config));
    const tunnelServer = await prepareMarket(db, config, clock.now());
    await Promise.all([keys.current('session'), keys.current('tunnel')]);
    return { ...tunnelServer, ...(options.email === undefined ? {} : await operatorAccount(db, { ...options, email: options.email }, clock.now())) };
  } finally {
    await db.onApplicationShutdown();
  }
}

async function operatorAccount(db: Db, options: BootstrapOptions & { email: string }, now: Date): Promise<Pick<Bootstrapped, 'account' | 'created' | 'granted' | 'secrets'>> {
  const password = randomPassword();
  const passwordHash = await hashPassword(password);
  return await withTx(db, async (tx) => {
    await lockBootstrap(tx);
    const row = { id: newId(), email: options.email, isOperator: true, passwordHash, createdAt: now };
    const { count } = await tx.user.createMany({ data: [row], skipDuplicates: true });
    const user = await tx.user.findUniqueOrThrow({ where: { email: options.email } });
    const granted = await grantOnce(tx, user.id, parseUsd(options.grantUsd), now);
    const account = { id: user.id, email: user.email };
    const created = count === 1;
    if (!created && !options.replaceSecrets) return { account, created, granted };
    if (!created) await retireSecrets(tx, user.id, passwordHash, now);
    return { account, created, granted, secrets: { password, ...(await makeKeys(tx, user.id, now)) } };
  });
}

/** The id follows from the account, so a second run finds the first one's transfer, whatever the amount. */
async function grantOnce(tx: Tx, userId: string, amountMicro: bigint, now: Date): Promise<boolean> {
  const id = v5('bootstrap-grant', userId);
  if (amountMicro === 0n || (await tx.ledgerTransfer.count({ where: { id } })) > 0) return false;
  const transfer = { id, from: PAYMENTS_IN, to: prepaidOf(userId), amountMicro, kind: 'grant', referenceId: null, memo: 'Test credit' } as const;
  return (await post(tx, [transfer], now)).posted === 1;
}

async function retireSecrets(tx: Tx, userId: string, passwordHash: string, now: Date): Promise<void> {
  await tx.user.update({ where: { id: userId }, data: { passwordHash, isOperator: true } });
  await tx.session.updateMany({ where: { userId, revokedAt: null }, data: { revokedAt: now } });
  await tx.apiKey.updateMany({ where: { userId, name: CLI_KEY, revokedAt: null }, data: { revokedAt: now } });
}

async function makeKeys(tx: Tx, userId: string, now: Date): Promise<{ api_key: string; host_api_key: string }> {
  const cli = newApiKeyRow(userId, { kind: 'user', name: CLI_KEY, scopes: ['read', 'rent', 'host', 'account'] }, now);
  const host = newApiKeyRow(userId, { kind: 'host', name: HOST_KEY, scopes: [] }, now);
  await tx.apiKey.createMany({ data: [cli.row, host.row] });
  return { api_key: cli.key, host_api_key: host.key };
}
