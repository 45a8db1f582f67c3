/** One life of a part, in milliseconds on one clock. */
export interface Life {
  startedAt: number;
  endedAt: number;
}

/** The first try comes at once: new SSH logins wait for the gate, and every node for frps. */
export const FIRST_DELAY_MS = 100;
export const LONGEST_DELAY_MS = 10_000;
/** A part that lived this long was well; what came before it is forgotten. */
export const WELL_AFTER_MS = 30_000;

/** How long to wait before a part that just ended is started again: 0.1 s, then doubling up to 10 s while it keeps dying. */
export function restartDelayMs(lives: readonly Life[]): number {
  const lastWell = lives.findLastIndex((life) => life.endedAt - life.startedAt >= WELL_AFTER_MS);
  const deaths = lives.length - Math.max(lastWell, 0);
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, deaths - 1));
}
