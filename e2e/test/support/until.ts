import { waitFor } from '@muster/local-services';

/** Generous: a watchdog for slow machines, never a measurement. */
export const WATCHDOG_MS = 60_000;

/** Looks until the answer is truthy; a look that throws counts as "not yet". */
export const until = <T>(what: string, look: () => T | Promise<T>, withinMs = WATCHDOG_MS) => waitFor(look, { what, deadlineMs: withinMs, everyMs: 50 });

export const delayUntil = (at: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())));

/** Measured figures are printed, never asserted: machines differ. */
export function figure(what: string, ms: number): void {
  console.log(`    ${what}: ${(ms / 1000).toFixed(2)} s`);
}
