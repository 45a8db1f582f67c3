import { Injectable } from '@nestjs/common';
import { fail, ok, type Account, type Result, type Role, type SessionTokens } from '@muster/shared-types';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { emitEvent } from '../platform/outbox.js';
import { RateLimit } from '../platform/rate-limit.js';
import { withTx } from '../platform/tx.js';
import { accountView } from './account.view.js';
import { hashPassword, passwordMatches, randomPassword } from './passwords.js';
import { Sessions } from './sessions.js';

/** Accounts with e-mail and password, for a market without Clerk. E-mails are lower case. */
@Injectable()
export class LocalAccounts {
  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly sessions: Sessions,
    private readonly limits: RateLimit,
  ) {}

  /** Fails with `email_taken`; throws `rate_limited`. */
  async signUp(input: { email: string; password: string; role: Role }, address: string): Promise<Result<SessionTokens>> {
    await this.limits.require(`sign-up:${address}`, this.config.signInLimitPerMin);
    const row = { id: newId(), email: input.email, role: input.role, passwordHash: await hashPassword(input.password), createdAt: this.clock.now() };
    const { count } = await this.db.client.user.createMany({ data: [row], skipDuplicates: true });
    if (count === 0) return fail('email_taken', { hint: 'Sign in, or use another e-mail' });
    return ok(await this.sessions.open(await this.db.client.user.findUniqueOrThrow({ where: { id: row.id } })));
  }

  /** Fails with `bad_credentials`, in the same words and time whether or not the account exists; throws `rate_limited`. */
  async signIn(input: { email: string; password: string }, address: string): Promise<Result<SessionTokens>> {
    await this.limits.require(`sign-in:${address}`, this.config.signInLimitPerMin);
    await this.limits.require(`sign-in-as:${input.email}`, this.config.signInLimitPerMin);
    const user = await this.db.client.user.findUnique({ where: { email: input.email } });
    const matches = await passwordMatches(user?.passwordHash, input.password);
    if (!user || !matches || user.disabledAt) return fail('bad_credentials');
    return ok(await this.sessions.open(user));
  }

  /** A new random password; every session of the account ends. Fails with `not_found`. */
  async resetPassword(email: string, actorId: string): Promise<Result<{ account: Account; password: string }>> {
    const password = randomPassword();
    const passwordHash = await hashPassword(password);
    const user = await withTx(this.db, async (tx) => {
      const found = await tx.user.findUnique({ where: { email } });
      if (!found) return undefined;
      await emitEvent(tx, { name: 'AuditEvent', aggregateId: found.id, actorId, payload: { action: 'password_reset' } });
      return await tx.user.update({ where: { id: found.id }, data: { passwordHash } });
    });
    if (!user) return fail('not_found', { detail: 'There is no account with this e-mail' });
    await this.sessions.revokeAllOf(user.id);
    return ok({ account: accountView(user), password });
  }
}
