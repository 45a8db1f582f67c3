const MAX_ENTRIES = 20_000;

/** Remembers for at most `ttlMs` what Postgres said of a session or key; revocation drops the entry at once. */
export class LiveCache<T> {
  readonly #entries = new Map<string, { at: number; value: Promise<T> }>();

  constructor(private readonly ttlMs: number) {}

  /** Callers at the same time share one look-up. A failed one is not kept. */
  get(key: string, load: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(key);
    if (known && performance.now() - known.at < this.ttlMs) return known.value;
    if (this.#entries.size >= MAX_ENTRIES) this.#entries.clear();
    const value = load();
    const entry = { at: performance.now(), value };
    this.#entries.set(key, entry);
    value.catch(() => this.#entries.get(key) === entry && this.#entries.delete(key));
    return value;
  }

  drop(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
