import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { HeartbeatMetrics } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Outbox } from '../platform/outbox.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { EndRental } from '../rentals/end.js';
import { noteEvent } from '../rentals/rental-events.js';
import { closeFinding, holderOf, openFinding, openFindings, type OpenFinding } from './findings.store.js';
import { isEvent, judge, keyOf, type Fault, type HealthMemory, type Severity } from './health.rules.js';

/** A state must be gone for so long to be over: a GPU that comes and goes is not well. */
const OVER_AFTER_MS = 60_000;
/** What another replica opened or closed is known here after this. */
const COMPARE_EVERY_MS = 30_000;
/** One note per rental and kind of fault of its own programs; they may cause thousands. */
const NOTE_ONCE_S = 660;
const MOST_NODES = 50_000;
const MOST_OPEN = 128;
const MOST_TOLD = 256;

interface Node {
  memory: HealthMemory | undefined;
  /** What is open, by key; `seenMs`: when a heartbeat last showed it. */
  open: Map<string, { finding: OpenFinding | undefined; seenMs: number }>;
  /** Events of the tenants' own programs that need no more attention. */
  told: Set<string>;
  /** One change at a time. */
  work: Promise<void>;
}

/**
 * Judges every heartbeat in memory; Postgres hears only of what begins or ends. INVARIANT: a finding is opened before anything
 * follows from it, so whoever sees it a second time does nothing twice.
 */
@Injectable()
export class NodeHealth implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #log = new Logger('NodeHealth');
  readonly #nodes = new Map<string, Node>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly redis: Redis,
    private readonly outbox: Outbox,
    private readonly endRental: EndRental,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const compare = (): Promise<void> => this.compare().catch((error: unknown) => this.#log.warn(`findings are read again later: ${String(error)}`));
    this.#timer = setInterval(() => void compare(), COMPARE_EVERY_MS).unref();
    await compare();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#nodes.values()].map(({ work }) => work));
  }

  /** Returns at once. `at`: when the server received it. Only for proven heartbeats. */
  onBeat(nodeId: string, metrics: HeartbeatMetrics, at: Date): void {
    const node = this.#node(nodeId);
    const { faults, memory } = judge(metrics, at.getTime() / 1_000, node.memory);
    node.memory = memory;
    for (const fault of faults) this.#shown(nodeId, node, fault, at);
    if (node.open.size > 0) this.#endWhatIsOver(nodeId, node, at);
  }

  /** What Postgres holds open is open here; what it has closed, or what lies before the machine's last start, is not. */
  async compare(): Promise<void> {
    const rows = await openFindings(this.db);
    const now = this.clock.now();
    for (const [nodeId, node] of this.#nodes) for (const [key, { finding }] of node.open) if (finding && !rows.some(({ id }) => id === finding.id)) this.#forget(nodeId, key);
    for (const { restarted, ...finding } of rows) {
      const node = this.#node(finding.nodeId);
      const known = node.open.get(keyOf(finding));
      if (known) known.finding ??= finding;
      else node.open.set(keyOf(finding), { finding, seenMs: now.getTime() });
      if (restarted) this.#close(finding.nodeId, node, finding, now);
    }
  }

  #node(nodeId: string): Node {
    const known = this.#nodes.get(nodeId);
    if (known) return known;
    if (this.#nodes.size >= MOST_NODES) for (const [id, { open }] of this.#nodes) if (open.size === 0) this.#nodes.delete(id);
    const node: Node = { memory: undefined, open: new Map(), told: new Set(), work: Promise.resolve() };
    this.#nodes.set(nodeId, node);
    return node;
  }

  #shown(nodeId: string, node: Node, fault: Fault, at: Date): void {
    const known = node.open.get(keyOf(fault));
    if (known) known.seenMs = at.getTime();
    if (known || node.open.size >= MOST_OPEN) return;
    if (!isOfHost(fault)) return this.#ofTenant(nodeId, node, fault, at);
    node.open.set(keyOf(fault), { finding: undefined, seenMs: at.getTime() });
    this.#then(nodeId, node, () => this.#open(nodeId, fault, at), () => this.#forget(nodeId, keyOf(fault)));
  }

  #ofTenant(nodeId: string, node: Node, fault: Fault, at: Date): void {
    const event = fault.eventId ?? fault.code;
    if (node.told.has(event)) return;
    if (node.told.size >= MOST_TOLD) node.told.clear();
    node.told.add(event);
    this.#then(nodeId, node, () => this.#tellTenant(nodeId, fault, at), () => node.told.delete(event));
  }

  #endWhatIsOver(nodeId: string, node: Node, at: Date): void {
    for (const { finding, seenMs } of node.open.values()) {
      if (finding && !isEvent(finding.code) && at.getTime() - seenMs >= OVER_AFTER_MS) this.#close(nodeId, node, finding, at);
    }
  }

  #close(nodeId: string, node: Node, finding: OpenFinding, at: Date): void {
    this.#forget(nodeId, keyOf(finding));
    this.#then(nodeId, node, async () => {
      if (!(await withTx(this.db, (tx) => closeFinding(tx, finding, at)))) return;
      this.#log.log(`${finding.code} of node ${nodeId} is over`);
      this.outbox.wake();
    });
  }

  #forget(nodeId: string, key: string): void {
    this.#nodes.get(nodeId)?.open.delete(key);
  }

  /** A failure is told; the next heartbeat that shows it tries again. */
  #then(nodeId: string, node: Node, work: () => Promise<void>, onFailure?: () => void): void {
    node.work = node.work.then(work).catch((error: unknown) => {
      onFailure?.();
      this.#log.warn({ err: error, nodeId }, 'a finding could not be written down; it is tried again');
    });
  }

  async #open(nodeId: string, fault: HostFault, at: Date): Promise<void> {
    const opened = await withTx(this.db, (tx) => openFinding(tx, nodeId, fault, at));
    if (!opened) return;
    this.#log.warn(`node ${nodeId}: ${fault.message} (${fault.severity})`);
    this.outbox.wake();
    const since = new Date(at.getTime() - fault.agoS * 1_000);
    for (const rentalId of opened.rentalIds) {
      if (fault.severity === 'quarantine') await this.endRental.one(rentalId, { reason: 'host_fault', wanted: since, fault: { code: fault.code, message: fault.message } });
      else await this.#note(rentalId, at, 'machine', `${fault.message} Its host has been told.`);
    }
    await this.compare();
  }

  async #tellTenant(nodeId: string, fault: Fault, at: Date): Promise<void> {
    const rentalId = await holderOf(this.db, nodeId, fault.gpuUuid ?? '');
    if (rentalId === undefined) return;
    const first = await this.redis.client.set(`health:note:${rentalId}:${fault.code}`, '1', 'EX', NOTE_ONCE_S, 'NX');
    if (first !== null) await this.#note(rentalId, at, 'program', `${fault.message} This is a fault of the program, not of the machine.`);
  }

  #note(rentalId: string, at: Date, kind: string, message: string): Promise<void> {
    return withTx(this.db, (tx) => noteEvent(tx, rentalId, at, kind, message));
  }
}

type HostFault = Fault & { severity: Exclude<Severity, 'tenant'> };
const isOfHost = (fault: Fault): fault is HostFault => fault.severity !== 'tenant';
