/** `0.9.1` is older than `0.10.0`. What is no version of ours (none, or a test's name) is not called old. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [partsOf(version), partsOf(than)];
  if (!a || !b) return false;
  const differs = a.findIndex((part, index) => part !== b[index]);
  return differs !== -1 && (a[differs] ?? 0) < (b[differs] ?? 0);
}

function partsOf(version: string): number[] | undefined {
  const match = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+].*)?$/.exec(version);
  return match ? match.slice(1, 4).map(Number) : undefined;
}
