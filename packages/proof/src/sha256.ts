import { createHash } from 'node:crypto';
import { canonicalJson, type JsonValue } from './canonical-json.js';

/** SHA-256 as 64 lower-case hex digits; a string is hashed as UTF-8. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** SHA-256, hex, of the canonical JSON of a value: equal values have equal hashes. */
export function sha256OfJson(value: JsonValue): string {
  return sha256Hex(canonicalJson(value));
}
