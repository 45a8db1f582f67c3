export interface WaitOptions {
  /** Milliseconds after which the wait fails. */
  deadlineMs: number;
  /** Words for the error: what was waited for. */
  what: string;
  /** Milliseconds between two looks at the condition; 25 unless told. */
  everyMs?: number;
}

type Falsy = undefined | null | false | 0 | '';

/**
 * Looks at a condition until it is truthy, and returns what it gave.
 * A condition that throws counts as "not yet"; the last error is the cause of the time-out.
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<Exclude<T, Falsy>> {
  const end = performance.now() + options.deadlineMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, Falsy>;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= end) throw timedOut(options, lastError);
    await delay(options.everyMs ?? 25);
  }
}

function timedOut(options: WaitOptions, cause: unknown): Error {
  const reason = cause instanceof Error ? ` (last error: ${cause.message})` : '';
  return new Error(`waited ${options.deadlineMs} ms for ${options.what}${reason}`, { cause });
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A delay that does not keep the process alive. */
export function idleDelay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
