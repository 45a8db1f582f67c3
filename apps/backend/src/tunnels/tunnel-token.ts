import { Injectable } from '@nestjs/common';
import { TUNNEL_AUDIENCE, TUNNEL_TOKEN_LIFE_S } from '@muster/shared-types';
import { SignJWT } from 'jose';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { SigningKeys } from '../platform/signing-keys.js';
import { GatePush } from './gate-push.js';

/** What a node shows frps at every login: RS256, `sub` = node id, good for six hours, so that a backend away for hours cuts nobody. */
@Injectable()
export class TunnelTokens {
  #kid: string | undefined;

  constructor(
    private readonly keys: SigningKeys,
    private readonly gate: GatePush,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  async mint(nodeId: string): Promise<{ token: string; expires_at: string }> {
    const { kid, privateKey } = await this.keys.current('tunnel');
    if (this.#kid !== undefined && this.#kid !== kid) await this.gate.keysChanged();
    this.#kid = kid;
    const issuedS = Math.floor(this.clock.now().getTime() / 1000);
    const expiresS = issuedS + TUNNEL_TOKEN_LIFE_S;
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'RS256', kid })
      .setIssuer(this.config.tunnel.issuer.replace(/\/+$/, ''))
      .setAudience(TUNNEL_AUDIENCE)
      .setSubject(nodeId)
      .setIssuedAt(issuedS)
      .setExpirationTime(expiresS)
      .sign(privateKey);
    return { token, expires_at: new Date(expiresS * 1000).toISOString() };
  }
}
