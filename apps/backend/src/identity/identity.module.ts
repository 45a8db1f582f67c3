import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ApiKeys } from './api-keys.js';
import { AuthGuard } from './auth.guard.js';
import { Authenticator } from './authenticator.js';
import { IdentityController } from './identity.controller.js';
import { KeysController } from './keys.controller.js';
import { LocalAccounts } from './local-accounts.js';
import { Revocations } from './revocations.js';
import { SessionTokens } from './session-tokens.js';
import { Sessions } from './sessions.js';
import { Suspension } from './suspension.js';
import { SshKeys } from './ssh-keys.js';

@Module({
  controllers: [IdentityController, KeysController],
  providers: [ApiKeys, Authenticator, LocalAccounts, Revocations, Sessions, SessionTokens, SshKeys, Suspension, { provide: APP_GUARD, useClass: AuthGuard }],
  exports: [Authenticator, Revocations, Suspension],
})
export class IdentityModule {}
