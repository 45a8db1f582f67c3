import { servingGpus, type Need, type NodeTraits } from './need.rules.js';
import { Weights } from './weights.rules.js';

/** A node that takes work now, with what is free on it. A plan takes from `free` as it goes. */
export interface Supply {
  traits: NodeTraits;
  reputation: number;
  /** How fast it was beside others on the same jobs; 1 is the usual. */
  speed: number;
  free: { cpuCores: number; memoryMb: number; diskGb: number };
  freeGpuIds: Set<string>;
  /** Executions it may get now: 0 while it is away or paused, few after errors of its own, many otherwise. */
  slots: number;
}

export interface Candidate {
  supply: Supply;
  rateMicroHour: bigint;
}

/** How many more copies of this need the node could take now. */
export function room(supply: Supply, need: Need): number {
  if (supply.reputation < need.minReputation) return 0;
  const { free } = supply;
  const byGpus = need.numGpus === 0 ? Infinity : Math.floor(freeServingGpus(supply, need).length / need.numGpus);
  return Math.max(0, Math.min(supply.slots, byGpus, Math.floor(free.cpuCores / need.cpuCores), Math.floor(free.memoryMb / need.memoryMb), Math.floor(free.diskGb / need.diskGb)));
}

const freeServingGpus = (supply: Supply, need: Need) => servingGpus(supply.traits, need).filter((gpu) => supply.freeGpuIds.has(gpu.id));

/** Nobody's weight falls to nothing by a bad name alone: a node has to get work to mend it. */
const LEAST_REPUTATION = 5;
const [SLOWEST, FASTEST] = [0.25, 4];

/** Reputation × free capacity × speed; 0 when no copy fits now. */
export function weightOf(supply: Supply, need: Need): number {
  const fits = room(supply, need);
  return fits === 0 ? 0 : Math.max(LEAST_REPUTATION, supply.reputation) * fits * Math.min(FASTEST, Math.max(SLOWEST, supply.speed));
}

/** Takes one copy's share of the node; returns the devices it gets. */
export function takeShare(supply: Supply, need: Need): string[] {
  supply.free.cpuCores -= need.cpuCores;
  supply.free.memoryMb -= need.memoryMb;
  supply.free.diskGb -= need.diskGb;
  supply.slots -= 1;
  const gpus = need.numGpus === 0 ? [] : freeServingGpus(supply, need).slice(0, need.numGpus).map((gpu) => gpu.id);
  for (const id of gpus) supply.freeGpuIds.delete(id);
  return gpus;
}

/** Draws for one key tried before all candidates are looked through. */
const DRAWS = 6;
type Random = () => number;

/**
 * The nodes that can run copies of one need, to be drawn from by weight. Several jobs and passes share it; weights are mended
 * when a draw finds one that is no longer true, and by `touch` when a node got something free.
 */
export class Pool {
  readonly #weights: Weights;
  readonly #indexOf: Map<string, number>;
  readonly #owners: ReadonlySet<string>;

  constructor(
    readonly need: Need,
    readonly candidates: readonly Candidate[],
  ) {
    this.#weights = new Weights(candidates.map((candidate) => weightOf(candidate.supply, need)));
    this.#indexOf = new Map(candidates.map((candidate, i) => [candidate.supply.traits.id, i]));
    this.#owners = new Set(candidates.map((candidate) => candidate.supply.traits.ownerId));
  }

  /** Nothing is free for anybody. */
  get empty(): boolean {
    return this.#weights.empty;
  }

  /** Something of this node changed. */
  touch(nodeId: string): void {
    const index = this.#indexOf.get(nodeId);
    if (index !== undefined) this.#weigh(index);
  }

  /** This very node, if it has room. */
  one(nodeId: string): Candidate | undefined {
    const index = this.#indexOf.get(nodeId);
    return index !== undefined && this.#weigh(index) > 0 ? this.candidates[index] : undefined;
  }

  /** A node whose key is not held, drawn by weight; one of `soured` only when there is no other. */
  draw(random: Random, distinctBy: 'owner' | 'node', held: ReadonlySet<string>, soured: ReadonlySet<string>): Candidate | undefined {
    if (!this.#anyKeyFree(distinctBy, held)) return undefined;
    const may = ({ supply }: Candidate): boolean => !held.has(keyOf(supply, distinctBy));
    for (let tries = 0; tries < DRAWS; tries += 1) {
      const drawn = this.#drawn(random);
      if (!drawn) return undefined;
      if (may(drawn) && !soured.has(drawn.supply.traits.id)) return drawn;
    }
    return this.#among(random, (one) => may(one) && !soured.has(one.supply.traits.id)) ?? this.#among(random, may);
  }

  /** Looks at no more keys than are held, and one. */
  #anyKeyFree(distinctBy: 'owner' | 'node', held: ReadonlySet<string>): boolean {
    const keys = distinctBy === 'owner' ? this.#owners : this.#indexOf.keys();
    for (const key of keys) if (!held.has(key)) return true;
    return false;
  }

  /** Another pool may have taken from the node since its weight was set: then the draw is repeated. */
  #drawn(random: Random): Candidate | undefined {
    for (;;) {
      const index = this.#weights.draw(random());
      if (index === undefined) return undefined;
      const before = this.#weights.of(index);
      if (this.#weigh(index) === before) return this.candidates[index];
    }
  }

  #among(random: Random, passes: (candidate: Candidate) => boolean): Candidate | undefined {
    let total = 0;
    const open: { candidate: Candidate; upTo: number }[] = [];
    for (const [i, candidate] of this.candidates.entries()) {
      if (this.#weights.of(i) === 0 || !passes(candidate)) continue;
      const weight = this.#weigh(i);
      if (weight > 0) open.push({ candidate, upTo: (total += weight) });
    }
    const mark = random() * total;
    return (open.find(({ upTo }) => upTo > mark) ?? open.at(-1))?.candidate;
  }

  #weigh(index: number): number {
    const candidate = this.candidates[index];
    const weight = candidate ? weightOf(candidate.supply, this.need) : 0;
    this.#weights.set(index, weight);
    return weight;
  }
}

/** What the copies of one task must not share. */
export const keyOf = (supply: Supply, distinctBy: 'owner' | 'node'): string => (distinctBy === 'owner' ? supply.traits.ownerId : supply.traits.id);
