import { z } from 'zod';

/** A byte in a file that only grows; `ino` tells one file from the next of its name. */
const LogPlace = z.object({ ino: z.number().int().nonnegative(), offset: z.number().int().nonnegative() });
export type LogPlace = z.infer<typeof LogPlace>;

/** How far a reader is: in what the agent captured, and in the log that the image writes itself (its length; null for none). */
const Cursor = z.object({ captured: LogPlace, own: z.number().int().nonnegative().nullable() });
export type LogCursor = z.infer<typeof Cursor>;

export const writeLogCursor = ({ captured, own }: LogCursor): string => `${captured.ino}.${captured.offset}.${own ?? '-'}`;

/** Undefined for none, and for one that is not ours: it then counts as a first look. */
export function readLogCursor(text: string | undefined): LogCursor | undefined {
  const match = /^(\d{1,15})\.(\d{1,15})\.(\d{1,15}|-)$/.exec(text ?? '');
  if (!match) return undefined;
  return { captured: { ino: Number(match[1]), offset: Number(match[2]) }, own: match[3] === '-' ? null : Number(match[3]) };
}

/** How many of these bytes are whole characters of UTF-8: one that is still being written is left for the next look. */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
