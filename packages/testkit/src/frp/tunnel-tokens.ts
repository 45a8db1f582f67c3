import { SignJWT, exportJWK, generateKeyPair, type CryptoKey } from 'jose';
import { TUNNEL_AUDIENCE, TUNNEL_TOKEN_LIFE_S, type GateTable } from '@muster/shared-types';

export interface TokenOptions {
  lifeS?: number;
  audience?: string;
  issuer?: string;
}

/** Mints tunnel tokens as the backend does, with a key of the test's own. */
export class TunnelTokens {
  private constructor(
    private readonly key: CryptoKey,
    readonly jwks: GateTable['jwks'],
  ) {}

  static async create(keyId = 'test'): Promise<TunnelTokens> {
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: keyId, alg: 'EdDSA', use: 'sig' };
    return new TunnelTokens(privateKey, { keys: [jwk] });
  }

  mint(nodeId: string, issuer: string, options: TokenOptions = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT()
      .setProtectedHeader({ alg: 'EdDSA', kid: String(this.jwks.keys[0]?.['kid']) })
      .setSubject(nodeId)
      .setIssuer(options.issuer ?? issuer)
      .setAudience(options.audience ?? TUNNEL_AUDIENCE)
      .setIssuedAt(now)
      .setExpirationTime(now + (options.lifeS ?? TUNNEL_TOKEN_LIFE_S))
      .sign(this.key);
  }
}
