const MOST = 1_000;

/**
 * Calls that come within some milliseconds of each other are answered by one `load` over all of them, e.g. when ten
 * thousand agents dial at once after a restart. `load` gets the keys in the order of the calls, doubles included, and
 * answers in that order; what it throws goes to every caller of the round.
 */
export class Gather<K, V> {
  #round: { keys: K[]; values: Promise<V[]> } | undefined;

  constructor(
    private readonly load: (keys: readonly K[]) => Promise<V[]>,
    private readonly forMs = 3,
  ) {}

  async get(key: K): Promise<V> {
    const round = (this.#round ??= this.#begin());
    const index = round.keys.push(key) - 1;
    if (round.keys.length >= MOST) this.#round = undefined;
    const value = (await round.values)[index];
    if (value === undefined) throw new Error('a gathered call has no answer');
    return value;
  }

  #begin(): { keys: K[]; values: Promise<V[]> } {
    const keys: K[] = [];
    const values = new Promise<void>((resolve) => setTimeout(resolve, this.forMs)).then(() => {
      if (this.#round?.keys === keys) this.#round = undefined;
      return this.load(keys);
    });
    return { keys, values };
  }
}
