/** How a node does at present: its speed beside others, and how much it is trusted with after errors of its own. */
export interface Form {
  /** Usual duration of the same tasks elsewhere ÷ its own, smoothed; 1 until something is known. */
  speed: number;
  /** Executions it may have at a time; null: as many as fit. */
  quota: number | null;
  /** Valid results since the quota was set. */
  validSince: number;
  /** Errors of its own without a valid result between them. */
  streak: number;
  /** Nothing is leased to it before this, milliseconds since 1970. */
  pausedUntilMs: number;
}

export const FRESH: Form = { speed: 1, quota: null, validSince: 0, streak: 0, pausedUntilMs: 0 };

/** A quota doubles with every ten valid results; past this it is lifted. */
const VALID_PER_DOUBLING = 10;
const QUOTA_LIFTED_AT = 64;
/** Pause after an error: 1, 2, 4 … seconds, at most a minute. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
const SMOOTHING = 0.2;

/** Its own error, or a copy lost there: it falls to one execution at a time and rests. */
export function afterError(form: Form, nowMs: number): Form {
  const streak = form.streak + 1;
  return { ...form, quota: 1, validSince: 0, streak, pausedUntilMs: nowMs + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (streak - 1)) };
}

/** `relative`: usual duration ÷ its own, undefined when nobody else has run such a task. */
export function afterValid(form: Form, relative: number | undefined): Form {
  const speed = relative === undefined ? form.speed : form.speed + SMOOTHING * (Math.min(8, Math.max(1 / 8, relative)) - form.speed);
  if (form.quota === null) return { ...form, speed, streak: 0 };
  const validSince = form.validSince + 1;
  if (validSince < VALID_PER_DOUBLING) return { ...form, speed, streak: 0, validSince };
  const quota = form.quota * 2;
  return { ...form, speed, streak: 0, quota: quota >= QUOTA_LIFTED_AT ? null : quota, validSince: 0 };
}

export const slotsOf = (form: Form, live: number, nowMs: number): number => {
  if (nowMs < form.pausedUntilMs) return 0;
  return form.quota === null ? Infinity : Math.max(0, form.quota - live);
};
