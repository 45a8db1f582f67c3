import { keyOf, takeShare, type Candidate, type Pool } from './pool.rules.js';

/** One run that waits for a node. */
export interface WaitingCopy {
  id: string;
  taskId: string;
  /** A second run for comparison goes to the node of the first one. */
  pinnedNodeId: string | null;
  /** Owners or nodes that hold a copy of this task already. */
  heldKeys: readonly string[];
  /** Nodes that lost or failed this very task: only when nobody else can have it. */
  soured: readonly string[];
}

/** One job's turn in a pass. */
export interface Turn {
  jobId: string;
  distinctBy: 'owner' | 'node';
  /** Nodes on which its copies may run at all. Jobs of the same need share one. */
  pool: Pool;
  copies: readonly WaitingCopy[];
}

export interface Assignment {
  copyId: string;
  taskId: string;
  jobId: string;
  nodeId: string;
  ownerId: string;
  distinctKey: string;
  rateMicroHour: bigint;
  gpuIds: string[];
}

/** Copies of a job that nobody could take. */
export interface Left {
  copies: number;
  /** Of these, such that something is free but not for another copy of the same task. */
  blockedByKeys: number;
}

export interface Plan {
  assignments: Assignment[];
  left: Map<string, Left>;
}

/** Source of chance in [0, 1). */
export type Random = () => number;

/**
 * Gives waiting copies to nodes. One copy per job and round, in turns, so that a job of a million tasks delays nobody;
 * a job that fits nowhere only loses its own turns. A node is drawn by reputation × free capacity × speed, so the better
 * get more and everybody gets some. Never more than is free on a node, never two copies of a task on one key.
 */
export function plan(turns: readonly Turn[], random: Random): Plan {
  const queues = turns.map((turn) => new Queue(turn, random));
  const assignments: Assignment[] = [];
  let open = queues;
  while (open.length > 0) {
    for (const queue of open) {
      const assignment = queue.next();
      if (assignment) assignments.push(assignment);
    }
    open = open.filter((queue) => !queue.done);
  }
  return { assignments, left: new Map(queues.map((queue) => [queue.turn.jobId, queue.left])) };
}

class Queue {
  readonly left: Left = { copies: 0, blockedByKeys: 0 };
  readonly #keysOf = new Map<string, Set<string>>();
  #at = 0;

  constructor(
    readonly turn: Turn,
    readonly random: Random,
  ) {}

  get done(): boolean {
    return this.#at >= this.turn.copies.length;
  }

  /** The next copy that somebody can take; undefined when none of the rest can be placed. */
  next(): Assignment | undefined {
    while (!this.done) {
      const copy = this.turn.copies[this.#at];
      this.#at += 1;
      const candidate = copy && this.#candidateFor(copy);
      if (copy && candidate) return this.#assign(copy, candidate);
      this.left.copies += 1;
      if (!this.turn.pool.empty) this.left.blockedByKeys += 1;
      else this.#giveUp();
    }
    return undefined;
  }

  /** Nothing is free for this job any more: its other copies need not be tried. */
  #giveUp(): void {
    this.left.copies += this.turn.copies.length - this.#at;
    this.#at = this.turn.copies.length;
  }

  #candidateFor(copy: WaitingCopy): Candidate | undefined {
    const { pool, distinctBy } = this.turn;
    if (copy.pinnedNodeId !== null) return pool.one(copy.pinnedNodeId);
    return pool.draw(this.random, distinctBy, this.#held(copy), new Set(copy.soured));
  }

  #assign(copy: WaitingCopy, { supply, rateMicroHour }: Candidate): Assignment {
    const { pool, jobId, distinctBy } = this.turn;
    const gpuIds = takeShare(supply, pool.need);
    pool.touch(supply.traits.id);
    const distinctKey = keyOf(supply, distinctBy);
    if (copy.pinnedNodeId === null) this.#held(copy).add(distinctKey);
    return { copyId: copy.id, taskId: copy.taskId, jobId, nodeId: supply.traits.id, ownerId: supply.traits.ownerId, distinctKey, rateMicroHour, gpuIds };
  }

  #held(copy: WaitingCopy): Set<string> {
    const known = this.#keysOf.get(copy.taskId) ?? new Set(copy.heldKeys);
    this.#keysOf.set(copy.taskId, known);
    return known;
  }
}
