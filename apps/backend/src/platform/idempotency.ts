import { createHash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { Prisma } from '@muster/prisma';
import { makeProblem, ProblemError, type OperationSpec } from '@muster/shared-types';
import { z } from 'zod';
import { Clock } from './clock.js';
import { Db, type Tx } from './db.js';
import { accountOf } from './principal.js';
import { stateOf } from './request-state.js';

const KEY = z.string().regex(/^[\x21-\x7e]{1,200}$/);
/** A request that has not answered for this long is taken for dead; another one with its key may go on. */
const LOCK_MS = 60_000;

export interface Attempt {
  /** The answer of an earlier request with this key. */
  replay?: { body: unknown };
  save: (tx: Tx, body: unknown) => Promise<void>;
  completed: (body: unknown) => Promise<void>;
  failed: () => Promise<void>;
}

interface Claim {
  userId: string;
  key: string;
  requestHash: string;
  lockToken: string;
}

/**
 * One row per (account, Idempotency-Key). Invariants:
 * - the answer is written in the transaction of the work itself (`save`), `WHERE lockToken = mine`: either both
 *   happened or neither, so a process killed between commit and answer is replayed, never repeated;
 * - a request taken for dead lost its lockToken, so its late `save` counts 0 rows and rolls its work back.
 */
@Injectable()
export class Idempotency {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  /** Undefined when the operation takes no key or the caller sent none. Throws the 409 and 422 problems. */
  async begin(spec: OperationSpec, request: Request): Promise<Attempt | undefined> {
    const key = spec.idempotent ? keyOf(request) : undefined;
    if (key === undefined) return undefined;
    const userId = accountOf(stateOf(request).principal);
    const claim: Claim = { userId, key, requestHash: hashOf(spec, request), lockToken: randomUUID() };
    return (await this.#claimNew(claim)) ? this.#attempt(spec, claim) : await this.#claimKnown(spec, claim);
  }

  async #claimNew(claim: Claim): Promise<boolean> {
    const lockedUntil = new Date(this.clock.now().getTime() + LOCK_MS);
    const { count } = await this.db.client.idempotencyKey.createMany({ data: [{ ...claim, lockedUntil }], skipDuplicates: true });
    return count === 1;
  }

  async #claimKnown(spec: OperationSpec, claim: Claim): Promise<Attempt> {
    const { userId, key } = claim;
    const row = await this.db.client.idempotencyKey.findUnique({ where: { userId_key: { userId, key } } });
    if (row && row.requestHash !== claim.requestHash) throw new ProblemError(makeProblem('idempotency_conflict'));
    if (row?.responseStatus != null) return { ...this.#attempt(spec, claim), replay: { body: row.responseBody } };
    if (!row || row.lockedUntil > this.clock.now()) throw inFlight();
    const { count } = await this.db.client.idempotencyKey.updateMany({
      where: { userId, key, lockToken: row.lockToken, responseStatus: null },
      data: { lockToken: claim.lockToken, lockedUntil: new Date(this.clock.now().getTime() + LOCK_MS) },
    });
    if (count !== 1) throw inFlight();
    return this.#attempt(spec, claim);
  }

  #attempt(spec: OperationSpec, { userId, key, lockToken }: Claim): Attempt {
    const mine = { userId, key, lockToken, responseStatus: null };
    const store = (tx: Tx, body: unknown) =>
      tx.idempotencyKey.updateMany({ where: mine, data: { responseStatus: spec.status, responseBody: asJson(spec.response.parse(body)) } });
    return {
      save: async (tx, body) => {
        const { count } = await store(tx, body);
        if (count !== 1) throw inFlight();
      },
      completed: async (body) => void (await store(this.db.client, body)),
      failed: async () => void (await this.db.client.idempotencyKey.deleteMany({ where: mine })),
    };
  }
}

const inFlight = (): ProblemError => new ProblemError(makeProblem('idempotency_in_flight'));

function asJson(body: unknown): Prisma.InputJsonValue | typeof Prisma.JsonNull {
  const plain: unknown = JSON.parse(JSON.stringify(body ?? null));
  return plain === null ? Prisma.JsonNull : (plain as Prisma.InputJsonValue);
}

function keyOf(request: Request): string | undefined {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return undefined;
  const parsed = KEY.safeParse(header);
  if (parsed.success) return parsed.data;
  const message = 'must be 1 to 200 visible ASCII characters';
  throw new ProblemError(makeProblem('invalid_request', { errors: [{ path: 'headers.idempotency-key', message }] }));
}

/** Over what was understood: neither the order of fields nor one that nobody reads makes another request. */
function hashOf(spec: OperationSpec, request: Request): string {
  const { params, body } = stateOf(request).input;
  const text = JSON.stringify([spec.method, spec.path, params, sorted(body)]);
  return createHash('sha256').update(text).digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([name, inner]) => [name, sorted(inner)]);
}
