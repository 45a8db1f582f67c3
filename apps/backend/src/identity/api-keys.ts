import { randomBytes } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { Prisma } from '@muster/prisma';
import { ApiKeyScope, fail, ok, type ApiKeyInfo, type Result } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import type { HostPrincipal, UserPrincipal } from '../platform/principal.js';
import { apiKeyView } from './account.view.js';
import { keyHash, keyHint, keyKind, makeKey, type KeyKind } from './api-key.rules.js';
import { LiveCache } from './live-cache.js';
import { Revocations } from './revocations.js';

const CACHE_MS = 1_000;
/** `lastUsedAt` is for people: it is written once a minute at most. */
const USED_EVERY_MS = 60_000;
const MAX_LISTED = 500;

export interface NewApiKey {
  kind: KeyKind;
  name: string;
  scopes: readonly ApiKeyScope[];
  expiresInS?: number | undefined;
}

type Row = Prisma.ApiKeyGetPayload<{ include: { user: { select: { isOperator: true; disabledAt: true } } } }>;

/** API keys (`mst_…`) and host API keys (`msh_…`). The key is shown once; only its SHA-256 is kept. */
@Injectable()
export class ApiKeys implements OnModuleInit {
  readonly #log = new Logger('ApiKeys');
  readonly #live = new LiveCache<Row | null>(CACHE_MS);

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly revocations: Revocations,
  ) {}

  onModuleInit(): void {
    // The cache is keyed by hash and the message has the id: forget all of the last second.
    this.revocations.onKeyRevoked(() => this.#live.clear());
  }

  /** Whose key this is. Fails with `unauthenticated`. */
  async authenticate(key: string): Promise<Result<UserPrincipal | HostPrincipal>> {
    if (!keyKind(key)) return fail('unauthenticated', { detail: 'This is not an API key of Muster: it is mistyped or cut short' });
    const row = await this.#live.get(key, () => this.#find(key));
    if (!row || row.user.disabledAt) return fail('unauthenticated', { detail: 'This API key is not known' });
    if (row.revokedAt) return fail('unauthenticated', { detail: 'This API key was revoked' });
    if (row.expiresAt && row.expiresAt <= this.clock.now()) return fail('unauthenticated', { detail: 'This API key has expired' });
    this.#noteUse(row);
    return ok(principalOf(row));
  }

  /** A key may hand on only what it may do itself. Fails with `scope_missing`. */
  async create(who: UserPrincipal, wanted: NewApiKey): Promise<Result<ApiKeyInfo & { key: string }>> {
    const needed: readonly ApiKeyScope[] = wanted.kind === 'host' ? ['host'] : wanted.scopes;
    const missing = needed.find((scope) => !who.scopes.includes(scope));
    if (missing) return fail('scope_missing', { detail: 'A key cannot make a key that may do more than itself', facts: { scope: missing } });
    const { row, key } = newApiKeyRow(who.userId, wanted, this.clock.now());
    return ok({ ...apiKeyView(await this.db.client.apiKey.create({ data: row })), key });
  }

  async list(userId: string): Promise<ApiKeyInfo[]> {
    const rows = await this.db.client.apiKey.findMany({ where: { userId }, orderBy: { createdAt: 'desc' }, take: MAX_LISTED });
    return rows.map(apiKeyView);
  }

  /** Effective at once, also for open sockets; revoking again changes nothing. Fails with `not_found`. */
  async revoke(userId: string, id: string): Promise<Result<ApiKeyInfo>> {
    await this.db.client.apiKey.updateMany({ where: { id, userId, revokedAt: null }, data: { revokedAt: this.clock.now() } });
    const row = await this.db.client.apiKey.findFirst({ where: { id, userId } });
    if (!row) return fail('not_found', { detail: 'You have no such API key' });
    this.revocations.keyRevoked(id);
    return ok(apiKeyView(row));
  }

  #find(key: string): Promise<Row | null> {
    const user = { select: { isOperator: true, disabledAt: true } } as const;
    return this.db.client.apiKey.findUnique({ where: { hash: keyHash(key) }, include: { user } });
  }

  #noteUse(row: Row): void {
    const now = this.clock.now();
    if (row.lastUsedAt && now.getTime() - row.lastUsedAt.getTime() < USED_EVERY_MS) return;
    row.lastUsedAt = now;
    this.db.client.apiKey
      .updateMany({ where: { id: row.id }, data: { lastUsedAt: now } })
      .catch((error: Error) => this.#log.debug(`time of use not noted: ${error.message}`));
  }
}

/** The row to store and the key to show once. */
export function newApiKeyRow(userId: string, wanted: NewApiKey, now: Date) {
  const key = makeKey(wanted.kind, randomBytes);
  const expiresAt = wanted.expiresInS === undefined ? null : new Date(now.getTime() + wanted.expiresInS * 1000);
  const scopes = wanted.kind === 'host' ? [] : [...new Set(wanted.scopes)];
  return { key, row: { id: newId(), userId, kind: wanted.kind, name: wanted.name, hint: keyHint(key), hash: keyHash(key), scopes, createdAt: now, expiresAt } };
}

function principalOf(row: Row): UserPrincipal | HostPrincipal {
  if (row.kind === 'host') return { kind: 'host', ownerId: row.userId, apiKeyId: row.id };
  return { kind: 'user', userId: row.userId, apiKeyId: row.id, scopes: ApiKeyScope.array().parse(row.scopes), isOperator: row.user.isOperator };
}
