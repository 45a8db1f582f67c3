const POLL_MS = 20;

/**
 * Polls until `probe` gives something other than undefined or false. Rejects after `withinMs` (a bound for a slow
 * machine, not a measurement) with the last error, if any.
 */
export async function until<T>(what: string, probe: () => T | undefined | false | Promise<T | undefined | false>, withinMs = 30_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last });
}
