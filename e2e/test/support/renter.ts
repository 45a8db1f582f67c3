import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MarketClient } from '@muster/client';
import { formatUsd, type Offer, type OperationRequest, type Operations, parseUsd, type RentalView } from '@muster/shared-types';
import { expect } from 'vitest';
import { LiveSession } from './live-session.js';
import type { Market } from './market.js';
import { must, run, type Ran } from './run.js';
import { until } from './until.js';

type RentBody = OperationRequest<Operations['createRental']>['body'];
export type RentWish = Partial<RentBody> & { offer?: (offer: Offer) => boolean };

const START_MS = 150_000;

/** A person with an account, money, an SSH key and plain OpenSSH. */
export class Renter {
  private constructor(
    readonly market: Market,
    readonly client: MarketClient,
    readonly email: string,
    private readonly folder: string,
  ) {}

  /** Signs up; `usd` are granted by the operator. */
  static async signUp(market: Market, usd: string): Promise<Renter> {
    const email = `renter-${randomBytes(4).toString('hex')}@example.com`;
    const { access_token: token } = await new MarketClient({ url: market.url }).call('signUp', { body: { email, password: randomBytes(12).toString('hex') } });
    await market.operator.call('grantCredit', { body: { email, amount_usd: usd }, idempotencyKey: randomUUID() });
    const folder = join(market.home, 'renters', email);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await must('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', email, '-f', join(folder, 'key')]);
    const renter = new Renter(market, new MarketClient({ url: market.url, token }), email, folder);
    await renter.client.call('addSshKey', { body: { name: 'key', public_key: (await readFile(join(folder, 'key.pub'), 'utf8')).trim() } });
    return renter;
  }

  async offers(): Promise<Offer[]> {
    return (await this.client.call('searchOffers', {})).items;
  }

  /** What a rent call says, from a fresh quote. Waits until something fitting is free. */
  async wish({ offer: fits = () => true, ...extra }: RentWish = {}): Promise<RentBody> {
    const offer = await until('a fitting offer', async () => (await this.offers()).find(fits));
    const asked = { offer_id: offer.id, disk_gb: 1, ...extra };
    const { dph_total } = await this.client.call('createQuote', { body: { offer_id: asked.offer_id, disk_gb: asked.disk_gb, ...(extra.template && { template: extra.template }) } });
    return { expected_dph_total: dph_total, ...asked };
  }

  async rent(wish: RentWish = {}): Promise<RentalView> {
    return this.client.call('createRental', { idempotencyKey: randomUUID(), body: await this.wish(wish) });
  }

  /** Rents and waits until it runs. */
  async rentRunning(wish: RentWish = {}): Promise<RentalView> {
    return this.untilRunning((await this.rent(wish)).id);
  }

  look(rentalId: string): Promise<RentalView> {
    return this.client.call('getRental', { params: { rental_id: rentalId } });
  }

  async untilRunning(rentalId: string): Promise<RentalView> {
    const seen = await until(`rental ${rentalId} to run`, async () => {
      const rental = await this.look(rentalId);
      return rental.status === 'pending' || rental.status === 'starting' ? undefined : rental;
    }, START_MS);
    if (seen.status !== 'running') throw new Error(`it is ${seen.status}: ${seen.fault?.message ?? seen.end_reason}\n${this.market.logs()}`);
    return seen;
  }

  /** Waits until its bill is final. */
  untilOver(rentalId: string, withinMs?: number): Promise<RentalView> {
    return until(`rental ${rentalId} to be over`, async () => {
      const rental = await this.look(rentalId);
      return rental.end_time !== null && rental.released ? rental : undefined;
    }, withinMs);
  }

  /** Ends it and returns its final state; the capacity is free again. */
  async destroy(rentalId: string): Promise<RentalView> {
    await this.client.call('destroyRental', { params: { rental_id: rentalId } });
    return this.untilOver(rentalId);
  }

  /** Arguments of plain OpenSSH that trusts only the returned line. */
  async sshArgs(rental: RentalView): Promise<string[]> {
    const { ssh, host } = await this.client.call('getConnection', { params: { rental_id: rental.id } });
    if (!ssh) throw new Error('it has no SSH');
    const knownHosts = join(this.folder, `known_hosts-${rental.id}`);
    await writeFile(knownHosts, `${ssh.known_hosts}\n`);
    const options = ['StrictHostKeyChecking=yes', `UserKnownHostsFile=${knownHosts}`, 'GlobalKnownHostsFile=/dev/null', 'BatchMode=yes', 'IdentitiesOnly=yes', 'ConnectTimeout=20'];
    return ['-F', '/dev/null', '-i', join(this.folder, 'key'), '-p', String(ssh.port), ...options.flatMap((option) => ['-o', option]), `${ssh.user}@${host}`];
  }

  async session(rental: RentalView): Promise<LiveSession> {
    return LiveSession.open(await this.sshArgs(rental));
  }
}

/** Runs a command over a new SSH connection. */
export const overSsh = (args: readonly string[], command: string): Promise<Ran> => run('ssh', [...args, command], { withinMs: 60_000 });

/**
 * The bill is final and says: every whole second between start and end but those that are free, once, at the rate or, while it
 * was stopped, at that of its disk; the statement says the same, and the whole ledger adds up.
 */
export async function expectExactBill(renter: Renter, rental: RentalView): Promise<void> {
  const { billing, start_time: start, end_time: end } = rental;
  if (start === null || end === null) throw new Error('it has no start or no end');
  const [startS, endS] = [Math.ceil(Date.parse(start) / 1000), Math.floor(Date.parse(end) / 1000)];
  const free = (await gapsOf(renter.market, rental.id)).reduce((sum, gap) => sum + Math.max(0, Math.min(gap.to, endS) - gap.from), 0);
  const seconds = BigInt(endS - startS - free);
  const stored = BigInt(billing.stored_seconds);
  const cost = (parseUsd(billing.dph_total) * (seconds - stored) + parseUsd(billing.stopped_dph) * stored) / 3600n;
  expect({ seconds: BigInt(billing.billed_seconds) + stored, usd: billing.settled_usd }).toEqual({ seconds, usd: formatUsd(cost) });
  const { items } = await renter.client.call('listStatement', { query: { rental_id: rental.id, limit: 200 } });
  const debits = items.filter((line) => line.type === 'DEBIT').reduce((sum, line) => sum + parseUsd(line.amount_usd), 0n);
  expect(formatUsd(debits)).toBe(formatUsd(cost));
  const ledger = await renter.market.operator.call('checkLedger', {});
  expect(ledger.checks.filter((check) => !check.ok)).toEqual([]);
}

/** Unbilled stretches of a rental, in seconds since the epoch. */
export async function gapsOf(market: Market, rentalId: string): Promise<{ from: number; to: number }[]> {
  return market.sql<{ from: number; to: number }>(
    `SELECT extract(epoch FROM "fromAt")::float AS "from", extract(epoch FROM "toAt")::float AS "to" FROM "RentalGap" WHERE "rentalId" = $1::uuid ORDER BY "fromAt"`,
    [rentalId],
  );
}
