import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Config } from '../config.js';

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Seals secrets for storage with AES-256-GCM under the market's master key. */
@Injectable()
export class MasterKey {
  readonly #key: Uint8Array;

  constructor(config: Config) {
    this.#key = config.masterKey;
  }

  /** `version(1) | nonce(12) | tag(16) | ciphertext`. */
  seal(secret: Uint8Array | string): Uint8Array<ArrayBuffer> {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const text = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Uint8Array.from(Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), text]));
  }

  /** Throws when the bytes were changed or sealed under another key. */
  open(sealed: Uint8Array): Uint8Array {
    if (sealed[0] !== VERSION || sealed.length < 1 + NONCE_BYTES + TAG_BYTES) throw new Error('not a sealed secret');
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(1, 1 + NONCE_BYTES));
    decipher.setAuthTag(sealed.subarray(1 + NONCE_BYTES, 1 + NONCE_BYTES + TAG_BYTES));
    const text = [decipher.update(sealed.subarray(1 + NONCE_BYTES + TAG_BYTES)), decipher.final()];
    return new Uint8Array(Buffer.concat(text));
  }

  openText(sealed: Uint8Array): string {
    return Buffer.from(this.open(sealed)).toString('utf8');
  }
}
