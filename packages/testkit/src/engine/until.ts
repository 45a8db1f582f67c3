/** Asks every 50 ms until the answer is neither false, null nor undefined; throws with `what` at the deadline. */
export async function until<T>(what: string, ask: () => Promise<T | false | null | undefined> | T | false | null | undefined, deadlineMs = 15_000): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== null && answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
