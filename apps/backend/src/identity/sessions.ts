import { createHash, randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { JWK } from 'jose';
import { fail, ok, Uuid, type Result, type SessionTokens as SessionTokensView } from '@muster/shared-types';
import type { Prisma } from '@muster/prisma';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { ALL_SCOPES, type UserPrincipal } from '../platform/principal.js';
import { SigningKeys } from '../platform/signing-keys.js';
import { accountView } from './account.view.js';
import { LiveCache } from './live-cache.js';
import { Revocations } from './revocations.js';
import { SessionTokens } from './session-tokens.js';
import type { SessionClaims, TokenVerifier } from './token-verifier.js';

const DAY_MS = 86_400_000;
/** A session ends when it was not used for this long, and after half a year in any case. */
const IDLE_MS = 30 * DAY_MS;
const LIFE_MS = 180 * DAY_MS;
const CACHE_MS = 1_000;

type User = Prisma.UserGetPayload<object>;
type Live = Prisma.SessionGetPayload<{ include: { user: true } }> | null;

/**
 * Sessions of local accounts. A refresh token is good once: using it again, which only a thief or a broken client
 * does, ends the session. Invariant: a rotation is `UPDATE … WHERE refreshHash = the one presented`, so of two at
 * the same time one wins and the other counts as reuse.
 */
@Injectable()
export class Sessions implements TokenVerifier, OnModuleInit {
  readonly issuer: string;
  readonly authorizedParties: readonly string[];
  readonly #live = new LiveCache<Live>(CACHE_MS);

  constructor(
    config: Config,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly keys: SigningKeys,
    private readonly tokens: SessionTokens,
    private readonly revocations: Revocations,
  ) {
    this.issuer = config.publicUrl;
    this.authorizedParties = [config.publicUrl];
  }

  onModuleInit(): void {
    this.tokens.register(this);
    this.revocations.onSessionRevoked((id) => this.#live.drop(id));
  }

  publicKey(kid: string): Promise<JWK | undefined> {
    return this.keys.publicKey('session', kid);
  }

  async principal(claims: SessionClaims): Promise<Result<UserPrincipal>> {
    if (!Uuid.safeParse(claims.sid).success) return fail('session_expired', { hint: 'Sign in again' });
    const session = await this.#live.get(claims.sid, () => this.#find(claims.sid));
    const over = !session || session.revokedAt || session.expiresAt <= this.clock.now() || session.user.disabledAt;
    if (over || session.userId !== claims.sub) return fail('session_expired', { hint: 'Sign in again' });
    return ok({ kind: 'user', userId: session.userId, sessionId: session.id, scopes: ALL_SCOPES, isOperator: session.user.isOperator });
  }

  async open(user: User): Promise<SessionTokensView> {
    const now = this.clock.now();
    const refresh = newRefreshToken();
    const expiresAt = new Date(now.getTime() + IDLE_MS);
    const session = { id: newId(), userId: user.id, refreshHash: hashOf(refresh), createdAt: now, lastUsedAt: now, expiresAt };
    await this.db.client.session.create({ data: session });
    return await this.#tokensOf(session, refresh, user);
  }

  /** Fails with `session_expired`. */
  async refresh(token: string): Promise<Result<SessionTokensView>> {
    const refreshHash = hashOf(token);
    const now = this.clock.now();
    const session = await this.db.client.session.findUnique({ where: { refreshHash }, include: { user: true } });
    if (!session) return await this.#reused(refreshHash);
    if (session.revokedAt || session.expiresAt <= now || session.user.disabledAt) return fail('session_expired', { hint: 'Sign in again' });
    const fresh = newRefreshToken();
    const expiresAt = new Date(Math.min(now.getTime() + IDLE_MS, session.createdAt.getTime() + LIFE_MS));
    const { count } = await this.db.client.session.updateMany({
      where: { id: session.id, refreshHash, revokedAt: null },
      data: { refreshHash: hashOf(fresh), previousHash: refreshHash, lastUsedAt: now, expiresAt },
    });
    if (count !== 1) return await this.#reused(refreshHash);
    return ok(await this.#tokensOf({ ...session, expiresAt }, fresh, session.user));
  }

  async revoke(sessionId: string): Promise<void> {
    await this.db.client.session.updateMany({ where: { id: sessionId, revokedAt: null }, data: { revokedAt: this.clock.now() } });
    this.revocations.sessionRevoked(sessionId);
  }

  async revokeAllOf(userId: string): Promise<void> {
    const rows = await this.db.client.session.updateManyAndReturn({
      where: { userId, revokedAt: null },
      data: { revokedAt: this.clock.now() },
      select: { id: true },
    });
    for (const { id } of rows) this.revocations.sessionRevoked(id);
  }

  async #reused(refreshHash: Uint8Array<ArrayBuffer>): Promise<Result<never>> {
    const session = await this.db.client.session.findFirst({ where: { previousHash: refreshHash }, select: { id: true } });
    if (session) await this.revoke(session.id);
    return fail('session_expired', { hint: 'Sign in again' });
  }

  #find(id: string): Promise<Live> {
    return this.db.client.session.findFirst({ where: { id }, include: { user: true } });
  }

  async #tokensOf(session: { id: string; userId: string; expiresAt: Date }, refresh: string, user: User): Promise<SessionTokensView> {
    const { token, expiresAt } = await this.tokens.mint(session);
    return {
      access_token: token,
      access_expires_at: expiresAt.toISOString(),
      refresh_token: refresh,
      refresh_expires_at: session.expiresAt.toISOString(),
      session_id: session.id,
      account: accountView(user),
    };
  }
}

const newRefreshToken = (): string => `msr_${randomBytes(32).toString('base64url')}`;
const hashOf = (token: string): Uint8Array<ArrayBuffer> => Uint8Array.from(createHash('sha256').update(token).digest());
