import type { JobFault } from '@muster/shared-types';

export const faultOf = (code: string | null, message: string | null): JobFault | null => (code === null ? null : { code, message: message ?? '' });

/** Bytes as people read them when they are text, else as base64. */
export function textOrBase64(bytes: Uint8Array): { result: string; encoding: 'utf8' | 'base64' } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  return Buffer.from(text, 'utf8').equals(buffer) ? { result: text, encoding: 'utf8' } : { result: buffer.toString('base64'), encoding: 'base64' };
}

/** Null when the bytes are not text that Postgres can keep. */
export function textOf(bytes: Uint8Array): string | null {
  const shown = textOrBase64(bytes);
  return shown.encoding === 'utf8' && !shown.result.includes('\0') ? shown.result : null;
}
