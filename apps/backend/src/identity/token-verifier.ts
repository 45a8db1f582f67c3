import type { JWK } from 'jose';
import type { Result } from '@muster/shared-types';
import { z } from 'zod';
import type { UserPrincipal } from '../platform/principal.js';

/** Claims of a session token, as Clerk writes them and as ours are. `azp` = the origin it was made for. */
export const SessionClaims = z.object({
  iss: z.string(),
  sub: z.string().min(1),
  sid: z.string().min(1),
  azp: z.string().min(1),
  exp: z.number(),
  iat: z.number(),
});
export type SessionClaims = z.infer<typeof SessionClaims>;

/** One issuer of session tokens. Signature, `iss`, `azp` and times are checked by the guard, the same way for every issuer. */
export interface TokenVerifier {
  readonly issuer: string;
  /** Values of `azp` that are accepted. */
  readonly authorizedParties: readonly string[];
  /** The RS256 public key of that id; undefined when there is none. */
  publicKey(kid: string): Promise<JWK | undefined>;
  /** Who these (verified) claims are: the session must be live and the account must exist. */
  principal(claims: SessionClaims): Promise<Result<UserPrincipal>>;
}
