import { Injectable } from '@nestjs/common';
import { fail, type Result } from '@muster/shared-types';
import type { HostPrincipal, UserPrincipal } from '../platform/principal.js';
import { looksLikeKey } from './api-key.rules.js';
import { ApiKeys } from './api-keys.js';
import { SessionTokens } from './session-tokens.js';

const BEARER = /^Bearer +([\x21-\x7e]{1,8192})$/i;

/** Turns an `Authorization` header into who is asking: for HTTP and sockets alike. */
@Injectable()
export class Authenticator {
  constructor(
    private readonly apiKeys: ApiKeys,
    private readonly sessionTokens: SessionTokens,
  ) {}

  /** Fails with `unauthenticated` or `session_expired`; throws when Postgres is away. */
  async authenticate(authorization: string | undefined): Promise<Result<UserPrincipal | HostPrincipal>> {
    if (authorization === undefined) return fail('unauthenticated', { hint: 'Send the header: Authorization: Bearer <session token or API key>' });
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) return fail('unauthenticated', { detail: 'The header must read: Authorization: Bearer <session token or API key>' });
    return looksLikeKey(token) ? await this.apiKeys.authenticate(token) : await this.sessionTokens.verify(token);
  }
}
