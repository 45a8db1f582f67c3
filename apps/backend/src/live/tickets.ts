import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ApiKeyScope, LIVE_LIMITS, LIVE_NAMESPACE, Uuid, type LiveTicket } from '@muster/shared-types';
import { z } from 'zod';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import type { UserPrincipal } from '../platform/principal.js';
import { Redis } from '../platform/redis.js';

const Kept = z.object({ userId: Uuid, sessionId: z.string().optional(), apiKeyId: Uuid.optional(), scopes: z.array(ApiKeyScope), isOperator: z.boolean() });
const FORM = /^mlt_[\w-]{43}$/;

/** Tickets stand in an address bar's reach and in logs of proxies: so they are good once, for half a minute, and kept as a hash. */
@Injectable()
export class Tickets {
  constructor(
    private readonly redis: Redis,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** Rejects while Redis is away. */
  async make({ kind: _, ...who }: UserPrincipal): Promise<LiveTicket> {
    const ticket = `mlt_${randomBytes(32).toString('base64url')}`;
    await this.redis.client.set(keyOf(ticket), JSON.stringify(who), 'EX', LIVE_LIMITS.ticketLifeS);
    const expires = new Date(this.clock.now().getTime() + LIVE_LIMITS.ticketLifeS * 1_000);
    return { ticket, url: `${this.config.publicUrl}${LIVE_NAMESPACE}`, expires_at: expires.toISOString() };
  }

  /** Who was given it; undefined for one that is unknown, used or too old. Rejects while Redis is away. */
  async use(ticket: unknown): Promise<UserPrincipal | undefined> {
    if (typeof ticket !== 'string' || !FORM.test(ticket)) return undefined;
    const text = await this.redis.client.getdel(keyOf(ticket));
    if (text === null) return undefined;
    const { sessionId, apiKeyId, ...who } = Kept.parse(JSON.parse(text));
    return { kind: 'user', ...who, ...(sessionId === undefined ? {} : { sessionId }), ...(apiKeyId === undefined ? {} : { apiKeyId }) };
  }
}

const keyOf = (ticket: string): string => `live-ticket:${createHash('sha256').update(ticket).digest('hex')}`;
