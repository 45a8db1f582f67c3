import { Injectable } from '@nestjs/common';
import type { Heartbeat } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import type { KnownNode } from './points.rules.js';
import { nodeSeries } from './slots.store.js';

/** A stranger's name that Postgres did not know is not asked for again before this. */
const ASK_AGAIN_MS = 30_000;
const MOST_NODES = 50_000;

interface Entry extends KnownNode {
  loadedMs: number;
  /** Names in heartbeats of this node that Postgres did not know then. */
  strangers: ReadonlySet<string>;
}

/** Which devices and rentals a node may speak of. Postgres is asked when a heartbeat brings a name for the first time, and never in the steady state. */
@Injectable()
export class KnownNodes {
  readonly #nodes = new Map<string, Entry>();
  readonly #loading = new Map<string, Promise<KnownNode>>();

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  /** What is known when that is enough for this heartbeat; else a promise of it. */
  of(nodeId: string, heartbeat: Pick<Heartbeat, 'metrics' | 'instances'>): KnownNode | Promise<KnownNode> {
    const names = namesIn(heartbeat);
    const known = this.#nodes.get(nodeId);
    if (known === undefined && names.length === 0) return { nodeId, models: new Map(), slots: new Map() };
    if (known !== undefined && names.every((name) => isKnown(known, name))) return known;
    return this.#load(nodeId, names);
  }

  /** Its devices may be others from now on. */
  forget(nodeId: string): void {
    this.#nodes.delete(nodeId);
  }

  #load(nodeId: string, names: readonly string[]): Promise<KnownNode> {
    const running = this.#loading.get(nodeId);
    if (running) return running;
    const loading = this.#read(nodeId, names).finally(() => this.#loading.delete(nodeId));
    this.#loading.set(nodeId, loading);
    return loading;
  }

  async #read(nodeId: string, names: readonly string[]): Promise<KnownNode> {
    const { models, slots } = await nodeSeries(this.db, nodeId, this.clock.now());
    const strangers = new Set(names.filter((name) => !models.has(name) && !slots.has(name)));
    if (this.#nodes.size >= MOST_NODES) this.#nodes.clear();
    const entry: Entry = { nodeId, models, slots, strangers, loadedMs: performance.now() };
    this.#nodes.set(nodeId, entry);
    return entry;
  }
}

function namesIn({ metrics, instances }: Pick<Heartbeat, 'metrics' | 'instances'>): string[] {
  return [...(metrics.gpus ?? []).map(({ uuid }) => uuid), ...(instances ?? []).map(({ rental_id }) => rental_id)];
}

function isKnown(entry: Entry, name: string): boolean {
  if (entry.models.has(name) || entry.slots.has(name)) return true;
  return entry.strangers.has(name) && performance.now() - entry.loadedMs < ASK_AGAIN_MS;
}
