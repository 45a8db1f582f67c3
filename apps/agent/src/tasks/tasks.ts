import { availableParallelism } from 'node:os';
import type { ExecutionReport, ExecutionSpec, Payload } from '@muster/shared-types';
import type { Logger } from 'pino';
import type { Engine } from '../docker/types.js';
import type { NodeIdentity } from '../identity.js';
import type { Connection } from '../link/connection.js';
import { type Capacity, heldBy, type Held, obstacleTo } from './capacity.rules.js';
import { Execution, type ExecutionParts } from './execution.js';
import { Journal } from './journal.js';
import { Outbox } from './outbox.js';
import type { FetchPolicy } from './safe-fetch.js';
import { keyOf } from './sandbox-spec.js';
import { Sandboxes } from './sandbox.js';
import { Scratch } from './scratch.js';
import { Slots } from './slots.js';
import { TaskUpdates } from './task-updates.js';

export interface TasksOptions {
  engine: Engine;
  identity: NodeIdentity;
  nodeId: string;
  /** Folder of the journal. */
  folder: string;
  connection: () => Pick<Connection, 'send' | 'proven'> | null;
  policy: FetchPolicy;
  maxImageBytes: number;
  imagesReady: Promise<unknown>;
  /** What the machine offers; null before it has been measured. */
  offered: () => Capacity | null;
  /** What rentals hold. */
  rentals: () => Held[];
  draining: () => boolean;
  /** Images that anything on this machine wants, executions too. */
  keepImages: () => string[];
  log: Logger;
}

/** Executions that were done a while ago are still known, in case their order comes twice. */
const REMEMBERED = 10_000;
const FAREWELL_MS = 3_000;
const FAREWELL_LOOK_MS = 50;
const REWRITE_MS = 2_000;

/**
 * Executions of jobs on this machine, beside and apart from the loop that keeps rentals. INVARIANTS: an execution is known
 * by id and attempt, and runs once however often it is ordered; it is named in heartbeats from its order until its report
 * is acked; only `cancel_tasks`, its timeout and its own end stop it.
 */
export class Tasks {
  private readonly running = new Map<string, Execution>();
  /** Done, and the market does not know yet. */
  private readonly reported = new Map<string, ExecutionReport>();
  private readonly done = new Set<string>();
  private readonly updates: TaskUpdates;
  private readonly parts: ExecutionParts | null;
  private outbox: Outbox | null = null;
  private open = true;
  private heard: () => void = () => undefined;

  private constructor(
    private readonly options: TasksOptions,
    private readonly journal: Journal,
  ) {
    const { engine, connection, log, nodeId, imagesReady } = options;
    this.updates = new TaskUpdates(connection, log);
    const heard = new Promise<void>((resolve) => (this.heard = resolve));
    const host = engine.jobHost;
    this.parts = host && {
      ...options,
      host,
      sandboxes: new Sandboxes(host, nodeId),
      scratch: new Scratch(host),
      journal,
      updates: this.updates,
      slots: new Slots(availableParallelism()),
      mayStart: Promise.all([imagesReady, heard]),
      makeRoom: async () => (await engine.collectImages(options.keepImages())).length > 0,
    };
  }

  /** Takes up what an earlier agent left: runs go on, reports are on their way again, and what belongs to nobody goes. */
  static async open(options: TasksOptions): Promise<Tasks> {
    const journal = await Journal.open(options.folder);
    const tasks = new Tasks(options, journal);
    await tasks.resume();
    return tasks;
  }

  /** Resolves when what was new is on disk. What cannot be held is refused in an update. */
  async accept(specs: readonly ExecutionSpec[]): Promise<void> {
    const fresh = specs.filter((spec) => !this.knows(keyOf(spec)) && !this.refuses(spec) && this.take(spec));
    const written = await Promise.allSettled(fresh.map((spec) => this.journal.add(spec)));
    const failed = written.find((one) => one.status === 'rejected');
    for (const [at, spec] of fresh.entries()) {
      if (written[at]?.status === 'rejected') this.running.delete(keyOf(spec));
      else this.launch(keyOf(spec));
    }
    if (failed) throw failed.reason;
  }

  /** Resolves when the ends are on disk. What is not here, or has its result, is left as it is. */
  async cancel({ executions }: Payload<'cancel_tasks'>): Promise<void> {
    const here = executions.flatMap((one) => this.running.get(keyOf(one)) ?? []);
    await Promise.all(here.map((execution) => execution.cancel()));
  }

  /** For heartbeats: everything the market has no report of yet. */
  beats(): { execution_id: string; attempt: number }[] {
    const specs = [...[...this.running.values()].map((one) => one.spec), ...this.reported.values()];
    return specs.slice(0, 4096).map(({ execution_id, attempt }) => ({ execution_id, attempt }));
  }

  get count(): number {
    return this.running.size;
  }

  /** The market has taken our proof and may have forgotten everything. */
  proven(): void {
    this.heard();
    this.updates.repeatAll();
    void this.outbox?.flush();
  }

  /** The engine is back, or another one: what a failed removal left behind goes. */
  async sweep(): Promise<void> {
    if (!this.parts) return;
    const { sandboxes, scratch } = this.parts;
    const keys = new Set([...(await sandboxes.keys()), ...(await scratch.keys())]);
    for (const key of keys) {
      if (this.running.has(key)) continue;
      await sandboxes.remove(key);
      await scratch.remove(key);
    }
  }

  /** The machine goes away: ends everything and gives the market a moment to hear it. */
  async shutDown(): Promise<void> {
    await Promise.all([...this.running.values()].map((one) => one.cancel()));
    const end = performance.now() + FAREWELL_MS;
    const left = (): boolean => this.running.size > 0 || this.outbox?.isEmpty === false;
    while (left() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, FAREWELL_LOOK_MS));
    this.stop();
  }

  /** Leaves everything to the next agent. */
  stop(): void {
    this.open = false;
  }

  private async resume(): Promise<void> {
    const { connection, identity, nodeId, log } = this.options;
    this.outbox = await Outbox.open({ connection, journal: this.journal, identity, nodeId, log, onAcked: (key) => this.acked(key) });
    for (const { spec, ordered, report } of await this.journal.load()) {
      if (report) this.hand(report);
      else if (this.parts) this.running.set(keyOf(spec), new Execution(spec, ordered, this.parts));
    }
    await this.sweep().catch((error: unknown) => log.error({ err: error }, 'remains of executions could not be removed'));
    for (const key of this.running.keys()) this.launch(key);
  }

  private knows(key: string): boolean {
    return this.running.has(key) || this.reported.has(key) || this.done.has(key);
  }

  private refuses(spec: ExecutionSpec): boolean {
    const obstacle = this.obstacle(spec);
    if (obstacle === null) return false;
    const { execution_id, attempt } = spec;
    this.options.log.warn({ execution_id, obstacle }, 'an execution was refused');
    this.updates.set({ execution_id, attempt, phase: 'refused', detail: obstacle });
    return true;
  }

  private obstacle(spec: ExecutionSpec): string | null {
    if (!this.parts) return 'this host runs no jobs: its container engine is not its own';
    if (this.options.draining()) return 'this host finishes what it has and takes nothing new';
    const offered = this.options.offered();
    const held = [...this.options.rentals(), ...[...this.running.values()].map((one) => heldBy(one.spec))];
    return offered && obstacleTo(heldBy(spec), held, offered);
  }

  /** Known from now on, so that a second order that comes while this one is written changes nothing. */
  private take(spec: ExecutionSpec): boolean {
    if (this.parts) this.running.set(keyOf(spec), new Execution(spec, null, this.parts));
    return true;
  }

  private launch(key: string): void {
    const execution = this.running.get(key);
    if (!execution) return;
    this.updates.set({ execution_id: execution.spec.execution_id, attempt: execution.spec.attempt, phase: 'accepted' });
    void this.finish(execution).catch((error: unknown) => this.options.log.error({ err: error, execution: key }, 'what is left of an execution could not be removed yet'));
  }

  /** The report is on disk before it is sent; only then does the container, which could tell it again, go. */
  private async finish(execution: Execution): Promise<void> {
    const report = await execution.run();
    if (!(await this.writeDown(execution.key, report))) return;
    this.updates.forget(execution.key);
    this.running.delete(execution.key);
    this.options.log.info({ execution_id: report.execution_id, code: report.fault?.code ?? null, exit_code: report.exit_code, ms: report.duration_ms }, 'execution is over');
    this.hand(report);
    await execution.clean();
  }

  /** A full disk only delays: nothing is said that is not written. False when the agent leaves before. */
  private async writeDown(key: string, report: ExecutionReport): Promise<boolean> {
    while (this.open) {
      try {
        await this.journal.finish(key, report);
        return true;
      } catch (error) {
        this.options.log.error({ err: error, execution: key }, 'a result could not be written to the disk; trying again');
        await new Promise((resolve) => setTimeout(resolve, REWRITE_MS));
      }
    }
    return false;
  }

  private hand(report: ExecutionReport): void {
    this.reported.set(keyOf(report), report);
    this.outbox?.add(report);
  }

  private acked(key: string): void {
    this.reported.delete(key);
    this.done.add(key);
    for (const oldest of this.done) {
      if (this.done.size <= REMEMBERED) break;
      this.done.delete(oldest);
    }
  }

  /** Of executions that run or wait their turn. */
  images(): string[] {
    return [...this.running.values()].map((one) => one.spec.docker_image);
  }
}

