import { Injectable } from '@nestjs/common';
import { fail, ok, roomKind, Uuid, type ApiKeyScope, type LiveRoom, type Result } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import type { UserPrincipal } from '../platform/principal.js';
import { isOwn } from './live-rows.store.js';
import { roomKeyOf, subjectOf } from './room.rules.js';

/** Who may hear what. */
@Injectable()
export class LiveAccess {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  /** The room's own name. Fails with `not_found` for a thing of another account as for one that does not exist. */
  async room(who: UserPrincipal, room: LiveRoom): Promise<Result<string>> {
    const kind = roomKind(room);
    const key = roomKeyOf(room, who.userId);
    if (kind === 'market' || kind === 'user') return ok(key);
    const own = await isOwn(this.db.client, kind, subjectOf(room) ?? '', who.userId);
    return own ? ok(key) : fail('not_found', { detail: `This account has no such ${kind}` });
  }

  /** Whether what the socket was opened with still is good: its session or key, and the account behind it. */
  async stillGood(who: UserPrincipal): Promise<boolean> {
    const now = this.clock.now();
    const live = { OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] };
    const user = await this.db.client.user.findUnique({
      where: { id: who.userId },
      select: {
        disabledAt: true,
        sessions: { where: { id: uuidOr(who.sessionId) }, select: { revokedAt: true, expiresAt: true } },
        apiKeys: { where: { id: uuidOr(who.apiKeyId), revokedAt: null, ...live }, select: { id: true } },
      },
    });
    if (!user || user.disabledAt !== null) return false;
    if (who.apiKeyId !== undefined) return user.apiKeys.length === 1;
    const [session] = user.sessions;
    // A session that is kept elsewhere ends with a message of its keeper.
    return session === undefined ? !isUuid(who.sessionId) : session.revokedAt === null && session.expiresAt > now;
  }
}

/** What a key lacks; a session has all scopes. */
export function lacking(who: UserPrincipal, scope: ApiKeyScope): ReturnType<typeof fail> | undefined {
  if (who.scopes.includes(scope)) return undefined;
  return fail('scope_missing', { detail: `This needs the scope \`${scope}\``, facts: { scope } });
}

const NONE = '00000000-0000-0000-0000-000000000000';
const isUuid = (id: string | undefined): id is string => id !== undefined && Uuid.safeParse(id).success;
const uuidOr = (id: string | undefined): string => (isUuid(id) ? id : NONE);
