import { z } from 'zod';
import { Uuid } from '../units.js';

/**
 * A command inside an instance, with its streams: browser or command line ↔ market (`/live`) ↔ agent (`/agent`). The same
 * frames on both legs. Flow control is a window, as in SSH: a sender has at most `windowBytes` out that the other end has
 * not yet given back with `credit`, so nothing in between ever holds more.
 */
export const EXEC_LIMITS = {
  /** Bytes in one `data` frame, before base64. */
  chunkBytes: 32 * 1024,
  /** Bytes on their way per direction. */
  windowBytes: 256 * 1024,
  streamsPerRental: 8,
  streamsPerSocket: 16,
  /** The market says at least this often that somebody is still there; after so long without a word the agent ends the command. */
  aliveEveryMs: 20_000,
  silenceMs: 70_000,
} as const;

/** `<replica>.<stream>`: both made by the market. */
export const ExecStreamId = z.string().regex(/^[0-9a-f-]{36}\.[0-9a-f-]{36}$/, 'must be the id of a stream');
export type ExecStreamId = z.infer<typeof ExecStreamId>;

const Columns = z.number().int().min(1).max(1000);
const MAX_CHUNK_CHARS = Math.ceil(EXEC_LIMITS.chunkBytes / 3) * 4;

/** What is to run. An empty command is a login shell. */
export const ExecCommand = z.object({
  rental_id: Uuid,
  command: z.array(z.string().max(32_768)).max(256).default([]),
  /** A terminal: one stream, with echo and signals. Without it stdout and stderr stay apart. */
  tty: z.boolean().default(true),
  cols: Columns.default(80),
  rows: Columns.default(24),
});
export type ExecCommand = z.infer<typeof ExecCommand>;

export const ExecOpen = ExecCommand.extend({ stream_id: ExecStreamId });
export type ExecOpen = z.infer<typeof ExecOpen>;

export const ExecResize = z.object({ stream_id: ExecStreamId, cols: Columns, rows: Columns });
export type ExecResize = z.infer<typeof ExecResize>;

/**
 * `data`: base64. `eof`: nothing more comes into stdin. `credit`: this many bytes were taken up and may be sent anew.
 * `alive`: market to agent only. `close`: the person left; the command is ended. `exit`: it ended; nothing follows. Without a
 * code it was cut, and `message` says why.
 */
export const ExecData = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('data'), stream_id: ExecStreamId, stream: z.enum(['stdin', 'stdout', 'stderr']), bytes: z.base64().max(MAX_CHUNK_CHARS) }),
  z.object({ kind: z.literal('eof'), stream_id: ExecStreamId }),
  z.object({ kind: z.literal('credit'), stream_id: ExecStreamId, bytes: z.number().int().min(1).max(EXEC_LIMITS.windowBytes) }),
  z.object({ kind: z.literal('alive'), stream_id: ExecStreamId }),
  z.object({ kind: z.literal('close'), stream_id: ExecStreamId }),
  z.object({ kind: z.literal('exit'), stream_id: ExecStreamId, exit_code: z.number().int().nullable(), message: z.string().max(500).optional() }),
]);
export type ExecData = z.infer<typeof ExecData>;
/** A frame of one kind without its stream: what an end of a stream sends. */
export type ExecPart = ExecData extends infer F ? (F extends ExecData ? Omit<F, 'stream_id'> : never) : never;

/** Bytes of a base64 text, without decoding it. */
export function base64Bytes(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}
