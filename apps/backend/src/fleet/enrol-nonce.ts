import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Redis } from '../platform/redis.js';

const LIFE_S = 120;
const key = (nonce: string): string => `enrol-nonce:${nonce}`;

/** Nonces for enrolment: made for one owner, good once, for two minutes. */
@Injectable()
export class EnrolNonces {
  constructor(
    private readonly redis: Redis,
    private readonly clock: Clock,
  ) {}

  async make(ownerId: string): Promise<{ nonce: string; expiresAt: Date }> {
    const nonce = randomBytes(32).toString('base64url');
    await this.redis.client.set(key(nonce), ownerId, 'EX', LIFE_S);
    return { nonce, expiresAt: new Date(this.clock.now().getTime() + LIFE_S * 1000) };
  }

  /** Takes the nonce away. False when it is unknown, used, expired or was made for somebody else. */
  async use(nonce: string, ownerId: string): Promise<boolean> {
    return (await this.redis.client.getdel(key(nonce))) === ownerId;
  }
}
