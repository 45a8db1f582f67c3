import type { LiveFrame, LiveRoom } from '@muster/shared-types';

/** A room as the market names it: `user:me` is `user:<id>` of whoever asks. */
export const roomKeyOf = (room: LiveRoom, userId: string): string => (room === 'user:me' ? `user:${userId}` : room);

/** The id in `rental:<id>`; undefined for the market. */
export const subjectOf = (room: string): string | undefined => room.split(':', 2)[1];

/** A frame under the name by which the listener asked for its room. */
export const named = (frame: LiveFrame, asked: LiveRoom): LiveFrame => (frame.room === asked ? frame : { ...frame, room: asked });

/** What to do with a frame, given the last number that was delivered: a later one than the next says that some are missing. */
export function orderOf(last: number, seq: number): 'next' | 'old' | 'gap' {
  if (seq <= last) return 'old';
  return seq === last + 1 ? 'next' : 'gap';
}
