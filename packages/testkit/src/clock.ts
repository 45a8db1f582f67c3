export interface FakeClock {
  /** Milliseconds since 1970. */
  now(): number;
  date(): Date;
  advance(ms: number): void;
  set(at: Date | number): void;
}

/** A clock that stands still until it is told to move: long times pass in no time. */
export function fakeClock(start: Date | number = Date.UTC(2026, 0, 1)): FakeClock {
  let at = Number(start);
  return {
    now: () => at,
    date: () => new Date(at),
    advance: (ms) => {
      at += ms;
    },
    set: (to) => {
      at = Number(to);
    },
  };
}
