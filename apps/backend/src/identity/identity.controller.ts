import { Controller, Req } from '@nestjs/common';
import type { Request } from 'express';
import { makeProblem, operations, ProblemError, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Db } from '../platform/db.js';
import { Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import { accountView } from './account.view.js';
import { LocalAccounts } from './local-accounts.js';
import { Sessions } from './sessions.js';

type In<K extends keyof typeof operations> = OperationInput<(typeof operations)[K]>;
type Out<K extends keyof typeof operations> = Promise<OperationOutput<(typeof operations)[K]>>;

const addressOf = (request: Request): string => request.socket.remoteAddress ?? 'unknown';

@Controller()
export class IdentityController {
  constructor(
    private readonly accounts: LocalAccounts,
    private readonly sessions: Sessions,
    private readonly db: Db,
  ) {}

  @Operation(operations.signUp)
  async signUp(@Input() { body }: In<'signUp'>, @Req() request: Request): Out<'signUp'> {
    return unwrap(await this.accounts.signUp(body, addressOf(request)));
  }

  @Operation(operations.signIn)
  async signIn(@Input() { body }: In<'signIn'>, @Req() request: Request): Out<'signIn'> {
    return unwrap(await this.accounts.signIn(body, addressOf(request)));
  }

  @Operation(operations.refreshSession)
  async refresh(@Input() { body }: In<'refreshSession'>): Out<'refreshSession'> {
    return unwrap(await this.sessions.refresh(body.refresh_token));
  }

  @Operation(operations.signOut)
  async signOut(@Who() who: Principal): Out<'signOut'> {
    const { sessionId } = userOf(who);
    if (sessionId === undefined) throw new ProblemError(makeProblem('forbidden', { detail: 'An API key has no session; revoke the key instead' }));
    await this.sessions.revoke(sessionId);
    return {};
  }

  @Operation(operations.getAccount)
  async account(@Who() who: Principal): Out<'getAccount'> {
    const user = await this.db.client.user.findUnique({ where: { id: userOf(who).userId } });
    if (!user) throw new ProblemError(makeProblem('session_expired', { detail: 'This account does not exist any more' }));
    return accountView(user);
  }

  @Operation(operations.resetPassword)
  async resetPassword(@Input() { body }: In<'resetPassword'>, @Who() who: Principal): Out<'resetPassword'> {
    return unwrap(await this.accounts.resetPassword(body.email.toLowerCase(), userOf(who).userId));
  }
}
