import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Db } from '../../platform/db.js';
import type { JobFacts } from './job-book.js';
import { misfit, nodeRate } from './need.rules.js';
import { NodeForm } from './node-form.js';
import { nodeStates, nodeUses, type NodeState, type NodeUse } from './nodes.store.js';
import { Pool, type Candidate, type Supply } from './pool.rules.js';

/** What machines are is read again this often; what is free on them at every safety pass, and where this replica changed it. */
const TRAITS_EVERY_MS = 30_000;
const KEEP_POOLS = 64;

/**
 * This replica's picture of all verified nodes, so that a pass need not read them. It may be behind: whether a node really
 * has room is decided by the statement that leases (`lease.store.ts`); a wrong guess costs a pass, never a rule.
 */
@Injectable()
export class NodeBook {
  readonly #states = new Map<string, NodeState>();
  readonly #supplies = new Map<string, Supply>();
  readonly #pools = new Map<string, Pool>();
  readonly #stale = new Set<string>();
  readonly #changed = new Set<string>();
  #traitsAt = -Infinity;
  #loading: Promise<void> = Promise.resolve();

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly form: NodeForm,
  ) {}

  /** What is free on these nodes changed, or was guessed wrongly. */
  stale(nodeIds: Iterable<string>): void {
    for (const id of nodeIds) this.#stale.add(id);
  }

  /** What these machines are, cost or may do changed. */
  changed(nodeIds: Iterable<string>): void {
    for (const id of nodeIds) this.#changed.add(id);
  }

  states(): ReadonlyMap<string, NodeState> {
    return this.#states;
  }

  /** Brings the picture up to date, one after the other; `all`: also what is free on every node. */
  refresh(all: boolean): Promise<void> {
    // Whoever asked for the one before has its error; this one only waits for its end.
    this.#loading = this.#loading.catch(() => undefined).then(() => this.#refresh(all));
    return this.#loading;
  }

  /** Nodes on which copies of this job may run at all, at a price that its hold covers. */
  poolOf(job: JobFacts): Pool {
    const key = `${job.rateCapMicroHour} ${job.fitKey}`;
    const known = this.#pools.get(key);
    if (known) return known;
    const pool = new Pool(job.need, this.candidates(job, (state) => state.traits.transport === 'socket'));
    if (this.#pools.size >= KEEP_POOLS) this.#pools.delete([...this.#pools.keys()][0] ?? '');
    this.#pools.set(key, pool);
    return pool;
  }

  /** The same for one node only, as it polls. */
  poolOfOne(job: JobFacts, nodeId: string): Pool {
    return new Pool(job.need, this.candidates(job, (state) => state.traits.id === nodeId));
  }

  candidates(job: JobFacts, wanted: (state: NodeState) => boolean): Candidate[] {
    return [...this.#states.values()].flatMap((state) => {
      const supply = this.#supplies.get(state.traits.id);
      if (!supply || !wanted(state) || misfit(state.traits, job.need) !== undefined) return [];
      const rateMicroHour = nodeRate(state.traits.pricing, job.need);
      return rateMicroHour <= job.rateCapMicroHour ? [{ supply, rateMicroHour }] : [];
    });
  }

  async #refresh(all: boolean): Promise<void> {
    const now = performance.now();
    if (now - this.#traitsAt > TRAITS_EVERY_MS) return await this.#readAll(now);
    if (this.#changed.size > 0) await this.#readChanged();
    const ids = all ? [...this.#states.keys()] : [...this.#stale];
    this.#stale.clear();
    if (ids.length > 0) for (const use of await nodeUses(this.db.client, ids)) this.#apply(use);
  }

  async #readAll(now: number): Promise<void> {
    this.#traitsAt = now;
    this.#changed.clear();
    this.#stale.clear();
    const states = await nodeStates(this.db.client);
    const seen = new Set(states.map((state) => state.traits.id));
    for (const id of this.#states.keys()) if (!seen.has(id)) this.#forget(id);
    for (const state of states) this.#keep(state);
    this.#pools.clear();
  }

  async #readChanged(): Promise<void> {
    const ids = [...this.#changed];
    this.#changed.clear();
    const states = new Map((await nodeStates(this.db.client, ids)).map((state) => [state.traits.id, state]));
    for (const id of ids) {
      const state = states.get(id);
      if (state) this.#keep(state);
      else this.#forget(id);
    }
    this.#pools.clear();
  }

  #forget(nodeId: string): void {
    this.#states.delete(nodeId);
    this.#supplies.delete(nodeId);
  }

  #keep(state: NodeState): void {
    this.#states.set(state.traits.id, state);
    this.#supplies.set(state.traits.id, this.#supplyOf(state));
  }

  #supplyOf(state: NodeState): Supply {
    const { traits } = state;
    return {
      traits,
      reputation: state.reputation,
      speed: this.form.speed(traits.id),
      free: { cpuCores: traits.cpuTotal - state.cpuUsed, memoryMb: traits.ramMbTotal - state.ramMbUsed, diskGb: traits.diskGbTotal - state.diskGbUsed },
      freeGpuIds: new Set(traits.gpus.filter((gpu) => gpu.free).map((gpu) => gpu.id)),
      slots: state.online && state.listed ? this.form.slots(traits.id, this.clock.now()) : 0,
    };
  }

  #apply(use: NodeUse): void {
    const state = this.#states.get(use.id);
    const supply = this.#supplies.get(use.id);
    if (!state || !supply) return;
    Object.assign(state, { reputation: use.reputation, online: use.open, listed: use.open, cpuUsed: use.cpuUsed, ramMbUsed: use.ramMbUsed, diskGbUsed: use.diskGbUsed });
    const { traits } = state;
    supply.reputation = use.reputation;
    supply.speed = this.form.speed(use.id);
    supply.free = { cpuCores: traits.cpuTotal - use.cpuUsed, memoryMb: traits.ramMbTotal - use.ramMbUsed, diskGb: traits.diskGbTotal - use.diskGbUsed };
    supply.slots = use.open ? this.form.slots(use.id, this.clock.now()) : 0;
    if (traits.gpus.length > 0) this.#changed.add(use.id);
    for (const pool of this.#pools.values()) pool.touch(use.id);
  }
}
