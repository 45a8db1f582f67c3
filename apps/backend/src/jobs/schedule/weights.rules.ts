/**
 * Weights that change while one draws from them: a Fenwick tree of partial sums. Drawing and changing cost log n, so a
 * pass over ten thousand nodes stays cheap.
 */
export class Weights {
  readonly #sums: Float64Array;
  readonly #own: Float64Array;
  readonly #top: number;
  #positive: number;

  constructor(weights: readonly number[]) {
    this.#own = Float64Array.from(weights);
    this.#sums = new Float64Array(weights.length + 1);
    weights.forEach((weight, i) => (this.#sums[i + 1] = weight));
    for (let i = 1; i < this.#sums.length; i += 1) {
      const parent = i + (i & -i);
      if (parent < this.#sums.length) this.#sums[parent] = at(this.#sums, parent) + at(this.#sums, i);
    }
    this.#positive = weights.filter((weight) => weight > 0).length;
    this.#top = weights.length === 0 ? 0 : 2 ** Math.floor(Math.log2(weights.length));
  }

  get length(): number {
    return this.#own.length;
  }

  /** True when nothing can be drawn. */
  get empty(): boolean {
    return this.#positive === 0;
  }

  of(index: number): number {
    return at(this.#own, index);
  }

  set(index: number, weight: number): void {
    const change = weight - at(this.#own, index);
    if (change === 0) return;
    this.#positive += Number(weight > 0) - Number(at(this.#own, index) > 0);
    this.#own[index] = weight;
    for (let i = index + 1; i < this.#sums.length; i += i & -i) this.#sums[i] = at(this.#sums, i) + change;
  }

  /** An index with the probability of its share, for `random` in [0, 1); undefined when all weights are 0. */
  draw(random: number): number | undefined {
    if (this.empty) return undefined;
    let left = random * this.#total();
    let index = 0;
    for (let step = this.#top; step > 0; step >>= 1) {
      const next = index + step;
      if (next < this.#sums.length && at(this.#sums, next) <= left) {
        index = next;
        left -= at(this.#sums, next);
      }
    }
    return this.#positiveFrom(index);
  }

  #total(): number {
    let total = 0;
    for (let i = this.#own.length; i > 0; i -= i & -i) total += at(this.#sums, i);
    return total;
  }

  /** Sums of floats drift by a hair: where that leads to a weight of 0, the nearest positive one is meant. */
  #positiveFrom(index: number): number | undefined {
    if (index < this.#own.length && at(this.#own, index) > 0) return index;
    for (let away = 1; away < this.#own.length + 1; away += 1) {
      if (index - away >= 0 && at(this.#own, index - away) > 0) return index - away;
      if (index + away < this.#own.length && at(this.#own, index + away) > 0) return index + away;
    }
    return undefined;
  }
}

const at = (list: Float64Array, index: number): number => list[index] ?? 0;
