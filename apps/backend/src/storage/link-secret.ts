import { hkdfSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Config } from '../config.js';

/** What links are signed with: drawn from the market's master key, so that all replicas have the same. */
@Injectable()
export class LinkSecret {
  readonly bytes: Uint8Array;

  constructor(config: Config) {
    this.bytes = new Uint8Array(hkdfSync('sha256', config.masterKey, '', 'muster storage links v1', 32));
  }
}
