import { createLocalJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { TUNNEL_AUDIENCE, type GateTable } from '@muster/shared-types';
import type { TokenFinding } from './admission.rules.js';

/** Signature algorithms that discovery names and that frps and the gate accept. */
export const TOKEN_ALGORITHMS = ['EdDSA', 'ES256', 'RS256'];
/** frps allows no leeway after expiry; neither does the gate. */
const CLOCK_TOLERANCE_S = 0;

/** Checks tunnel tokens against the keys of the table; the imported keys are kept until the table brings others. */
export class TokenChecker {
  private keys: JWTVerifyGetKey | undefined;
  private of: GateTable['jwks'] | undefined;

  constructor(private readonly issuer: () => string) {}

  async check(token: string, jwks: GateTable['jwks']): Promise<TokenFinding> {
    if (token === '') return { refusal: 'token_missing' };
    try {
      const { payload } = await jwtVerify(token, this.keysFrom(jwks), {
        issuer: this.issuer(),
        audience: TUNNEL_AUDIENCE,
        algorithms: TOKEN_ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['sub', 'exp'],
      });
      return { subject: payload.sub ?? '' };
    } catch (error) {
      return { refusal: error instanceof errors.JWTExpired ? 'token_expired' : 'token_invalid' };
    }
  }

  private keysFrom(jwks: GateTable['jwks']): JWTVerifyGetKey {
    if (!this.keys || this.of !== jwks) {
      this.keys = createLocalJWKSet(jwks);
      this.of = jwks;
    }
    return this.keys;
  }
}
