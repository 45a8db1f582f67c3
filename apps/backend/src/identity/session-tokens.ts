import { Injectable } from '@nestjs/common';
import { decodeJwt, decodeProtectedHeader, errors, importJWK, jwtVerify, SignJWT } from 'jose';
import { fail, ok, type Result } from '@muster/shared-types';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { newId } from '../platform/ids.js';
import type { UserPrincipal } from '../platform/principal.js';
import { SigningKeys } from '../platform/signing-keys.js';
import { SessionClaims, type TokenVerifier } from './token-verifier.js';

export const ACCESS_TOKEN_LIFE_S = 15 * 60;
const CLOCK_TOLERANCE_S = 5;

/** Makes our own session tokens and checks those of every issuer that is registered. */
@Injectable()
export class SessionTokens {
  readonly #verifiers = new Map<string, TokenVerifier>();

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly keys: SigningKeys,
  ) {}

  register(verifier: TokenVerifier): void {
    this.#verifiers.set(verifier.issuer, verifier);
  }

  /** An RS256 token of Clerk's shape, good for fifteen minutes. */
  async mint(session: { id: string; userId: string }): Promise<{ token: string; expiresAt: Date }> {
    const { kid, privateKey } = await this.keys.current('session');
    const issuedS = Math.floor(this.clock.now().getTime() / 1000);
    const token = await new SignJWT({ sid: session.id, azp: this.config.publicUrl })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid })
      .setIssuer(this.config.publicUrl)
      .setSubject(session.userId)
      .setJti(newId())
      .setIssuedAt(issuedS)
      .setNotBefore(issuedS)
      .setExpirationTime(issuedS + ACCESS_TOKEN_LIFE_S)
      .sign(privateKey);
    return { token, expiresAt: new Date((issuedS + ACCESS_TOKEN_LIFE_S) * 1000) };
  }

  /** Whose token this is. Fails with `unauthenticated` or `session_expired`. */
  async verify(token: string): Promise<Result<UserPrincipal>> {
    const head = readUnverified(token);
    const verifier = head && this.#verifiers.get(head.issuer);
    const jwk = verifier && (await verifier.publicKey(head.kid));
    if (!jwk) return fail('unauthenticated', { detail: 'The token was not made for this market' });
    const claims = await this.#checkedClaims(token, await importJWK(jwk, 'RS256'), verifier);
    return claims.ok ? await verifier.principal(claims.value) : claims;
  }

  async #checkedClaims(token: string, key: Awaited<ReturnType<typeof importJWK>>, verifier: TokenVerifier): Promise<Result<SessionClaims>> {
    const options = { algorithms: ['RS256'], issuer: verifier.issuer, currentDate: this.clock.now(), clockTolerance: CLOCK_TOLERANCE_S };
    const verified = await jwtVerify(token, key, options).catch((error: unknown) => error);
    if (verified instanceof errors.JWTExpired) return fail('session_expired', { hint: 'Trade the refresh token for a new one' });
    if (verified instanceof errors.JOSEError) return fail('unauthenticated', { detail: 'The token is not valid' });
    if (verified instanceof Error) throw verified;
    const claims = SessionClaims.safeParse((verified as { payload: unknown }).payload);
    if (!claims.success) return fail('unauthenticated', { detail: 'The token lacks a claim' });
    if (!verifier.authorizedParties.includes(claims.data.azp)) return fail('unauthenticated', { detail: 'The token was made for another site' });
    return ok(claims.data);
  }
}

/** Only to find the key; nothing of it is believed before the signature is checked. */
function readUnverified(token: string): { issuer: string; kid: string } | undefined {
  try {
    const { kid } = decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    return kid !== undefined && iss !== undefined ? { kid, issuer: iss } : undefined;
  } catch {
    // Not a JWT at all, which is what undefined says.
    return undefined;
  }
}
