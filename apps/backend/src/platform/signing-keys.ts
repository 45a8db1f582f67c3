import { Injectable } from '@nestjs/common';
import { calculateJwkThumbprint, exportJWK, exportPKCS8, generateKeyPair, importPKCS8, type CryptoKey, type JWK } from 'jose';
import { Clock } from './clock.js';
import { Db } from './db.js';
import { withTx } from './tx.js';
import { MasterKey } from './master-key.js';

export type KeyPurpose = 'session' | 'tunnel';
const DAY_MS = 86_400_000;
/** A new key is made this often; the one before goes on being accepted for another stretch. */
const SIGNS_MS = 30 * DAY_MS;
const VERIFIES_MS = 60 * DAY_MS;
const CACHE_MS = 60_000;

export interface SigningKeyPair {
  kid: string;
  privateKey: CryptoKey;
}

interface Row {
  kid: string;
  publicJwk: JWK;
  sealedPrivate: Uint8Array;
  signsUntil: Date;
  verifiesUntil: Date;
}

/** RS256 keys by purpose: sealed in Postgres, shared by all replicas, rotated every 30 days with overlap. */
@Injectable()
export class SigningKeys {
  readonly #cache = new Map<KeyPurpose, { at: number; rows: Promise<Row[]> }>();
  readonly #opened = new Map<string, CryptoKey>();

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly master: MasterKey,
  ) {}

  /** The key that signs now; made when there is none. */
  async current(purpose: KeyPurpose): Promise<SigningKeyPair> {
    const row = (await this.#rows(purpose)).find((key) => key.signsUntil > this.clock.now()) ?? (await this.#make(purpose));
    return { kid: row.kid, privateKey: await this.#open(row) };
  }

  /** Public keys of all tokens that may still be about. */
  async jwks(purpose: KeyPurpose): Promise<{ keys: JWK[] }> {
    const now = this.clock.now();
    const rows = (await this.#rows(purpose)).filter((key) => key.verifiesUntil > now);
    return { keys: rows.map((row) => ({ ...row.publicJwk, kid: row.kid, alg: 'RS256', use: 'sig' })) };
  }

  /** The public key of a token; looks again in Postgres when it is not known, since another replica may have made it just now. */
  async publicKey(purpose: KeyPurpose, kid: string): Promise<JWK | undefined> {
    const named = async () => (await this.jwks(purpose)).keys.find((key) => key.kid === kid);
    const known = await named();
    if (known) return known;
    this.#cache.delete(purpose);
    return await named();
  }

  /** Callers at the same time share one look-up; a failed one is not kept. */
  #rows(purpose: KeyPurpose): Promise<Row[]> {
    const cached = this.#cache.get(purpose);
    if (cached && performance.now() - cached.at < CACHE_MS) return cached.rows;
    const entry = { at: performance.now(), rows: this.#read(purpose) };
    this.#cache.set(purpose, entry);
    entry.rows.catch(() => this.#cache.get(purpose) === entry && this.#cache.delete(purpose));
    return entry.rows;
  }

  async #read(purpose: KeyPurpose): Promise<Row[]> {
    const rows = await this.db.client.signingKey.findMany({ where: { purpose }, orderBy: { createdAt: 'desc' } });
    return rows.map((row) => ({ ...row, publicJwk: row.publicJwk as JWK }));
  }

  /** Two replicas that find no key make one: the lock lets the second see the first's. */
  async #make(purpose: KeyPurpose): Promise<Row> {
    const fresh = await this.#generate(purpose);
    await withTx(this.db, async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`signing-key:${purpose}`}, 0))`;
      const found = await tx.signingKey.count({ where: { purpose, signsUntil: { gt: this.clock.now() } } });
      if (found === 0) await tx.signingKey.create({ data: fresh });
    });
    this.#cache.delete(purpose);
    const row = (await this.#rows(purpose)).find((key) => key.signsUntil > this.clock.now());
    if (!row) throw new Error(`no ${purpose} signing key after making one`);
    return row;
  }

  async #generate(purpose: KeyPurpose) {
    const pair = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
    const publicJwk = await exportJWK(pair.publicKey);
    const now = this.clock.now();
    return {
      kid: await calculateJwkThumbprint(publicJwk),
      purpose,
      publicJwk: { ...publicJwk },
      sealedPrivate: this.master.seal(await exportPKCS8(pair.privateKey)),
      createdAt: now,
      signsUntil: new Date(now.getTime() + SIGNS_MS),
      verifiesUntil: new Date(now.getTime() + VERIFIES_MS),
    };
  }

  async #open(row: Row): Promise<CryptoKey> {
    const known = this.#opened.get(row.kid);
    if (known) return known;
    const key = await importPKCS8(this.master.openText(row.sealedPrivate), 'RS256');
    this.#opened.set(row.kid, key);
    return key;
  }
}
