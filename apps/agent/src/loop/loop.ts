import type { InstanceFault } from '@muster/shared-types';
import type { Logger } from 'pino';
import type { Engine } from '../docker/types.js';
import { TunnelError, type Tunnels } from '../tunnel/types.js';
import { bootSeconds } from '../boot-clock.js';
import type { DesiredStore } from './desired-store.js';
import { observe } from './observe.js';
import { nextDeadlineInS, type Observed, plan, type Step } from './plan.rules.js';
import { type Trace, stateOf, upSince } from './status.rules.js';
import { execute, type StepOutcome } from './steps.js';

export interface LoopOptions {
  engine: Engine;
  tunnels: Tunnels;
  store: DesiredStore;
  nodeId: string;
  maxImageBytes: number;
  log: Logger;
  /** Called after every pass with what was seen; tells the server what is new. */
  onPass: (observed: Observed, traces: ReadonlyMap<string, Trace>) => void;
}

/** With nothing to wake it, the loop looks at the machine this often. */
const REST_MS = 1_000;
/** While an instance comes up the tunnel's status has no event to wait for. */
const EAGER_REST_MS = 40;
const FIREWALL_EVERY_S = 5;
const OVERRUN_EVERY_S = 3;
/** Tries of a passing fault before an instance that never ran is given up. */
const MAX_TRIES = 3;
const MAX_BACKOFF_S = 30;

/**
 * INVARIANTS: one pass at a time; at most one step per rental under way, its result never trusted but looked up in the
 * next pass; a step of one rental never waits for one of another; nothing new starts before the server has spoken.
 */
export class Loop {
  private readonly busy = new Map<string, { step: Step; abort: AbortController; done: Promise<void> }>();
  private readonly tries = new Map<string, number>();
  private readonly notBefore = new Map<string, number>();
  private readonly traces = new Map<string, Trace>();
  private rootOverrun = new Set<string>();
  private spoken = false;
  private engineDownSince: number | null = null;
  private lastFirewall = -Infinity;
  private lastOverrun = -Infinity;
  private wakeUp: (() => void) | null = null;
  private woken = false;
  private running: Promise<void> | null = null;
  private stopping = false;
  /** Boot-clock second of the last finished pass: health is that the loop turns. */
  lastPassBootS = bootSeconds();
  lastObserved: Observed | null = null;

  constructor(private readonly options: LoopOptions) {}

  start(): void {
    this.running ??= this.turn();
  }

  /** Run a pass now. */
  wake(): void {
    this.woken = true;
    this.wakeUp?.();
  }

  /** The server was heard: the lease starts over, and new instances may start. */
  heard(): void {
    this.spoken = true;
    this.touchLease();
  }

  get tracesView(): ReadonlyMap<string, Trace> {
    return this.traces;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    for (const { abort } of this.busy.values()) abort.abort();
    this.wake();
    await this.running;
    await Promise.allSettled([...this.busy.values()].map((one) => one.done));
  }

  private touchLease(): void {
    const { store } = this.options;
    store.note({ ...store.doc, last_contact_boot_s: bootSeconds() });
  }

  private async turn(): Promise<void> {
    while (!this.stopping) {
      this.woken = false;
      try {
        await this.pass();
      } catch (error) {
        this.options.log.error({ err: error }, 'a pass of the loop failed; trying again');
      }
      await this.rest();
    }
  }

  private async rest(): Promise<void> {
    if (this.woken || this.stopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.restMs());
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = null;
  }

  private restMs(): number {
    if (this.isEager()) return EAGER_REST_MS;
    const deadlineMs = nextDeadlineInS(this.options.store.doc, bootSeconds()) * 1000;
    return Math.min(REST_MS, Math.max(EAGER_REST_MS, deadlineMs));
  }

  private isEager(): boolean {
    const observed = this.lastObserved;
    if (!observed) return false;
    return Object.values(this.options.store.doc.instances).some((one) => {
      const container = observed.containers?.find((item) => item.rentalId === one.spec.rental_id);
      return stateOf(one, container, observed) === 'tunnelling';
    });
  }

  private async pass(): Promise<void> {
    await this.upkeep();
    const observed = await this.look();
    await this.noteRunning(observed);
    for (const step of plan(this.options.store.doc, observed)) this.launch(step);
    this.lastObserved = observed;
    this.lastPassBootS = bootSeconds();
    this.options.onPass(observed, this.traces);
  }

  private async look(): Promise<Observed> {
    const { engine, tunnels } = this.options;
    const bootS = bootSeconds();
    this.engineDownSince = engine.healthy() ? null : (this.engineDownSince ?? bootS);
    const ids = [...this.busy.keys()];
    const observed = await observe(engine, tunnels, {
      busy: new Set(ids),
      pulling: new Set(ids.filter((id) => this.busy.get(id)?.step.do === 'pull')),
      notBefore: this.notBefore,
      rootOverrun: this.rootOverrun,
      spoken: this.spoken,
      engineDownSince: this.engineDownSince,
      bootS,
    });
    if (observed.tunnelConnected) this.touchLease();
    return observed;
  }

  /** Firewall and disk use: cheap, and apart from what the plan decides. */
  private async upkeep(): Promise<void> {
    const { engine, log } = this.options;
    const now = bootSeconds();
    if (now - this.lastFirewall >= FIREWALL_EVERY_S) {
      this.lastFirewall = now;
      if (await engine.ensureFirewall()) log.warn('firewall rules were missing and have been put back');
    }
    if (now - this.lastOverrun >= OVERRUN_EVERY_S && engine.healthy()) {
      this.lastOverrun = now;
      const use = await engine.rootUsage();
      this.rootOverrun = new Set(use.filter((one) => one.over).map((one) => one.rentalId));
    }
  }

  /** Remembers on disk that an instance has run, once; keeps the time since it is up without a break. */
  private async noteRunning(observed: Observed): Promise<void> {
    const { store } = this.options;
    for (const one of Object.values(store.doc.instances)) {
      const trace = this.trace(one.spec.rental_id);
      trace.upSince = upSince(one, observed, trace.upSince);
      if (trace.upSince === null || one.ran) continue;
      const instances = { ...store.doc.instances, [one.spec.rental_id]: { ...one, ran: true } };
      await store.save({ ...store.doc, instances });
    }
  }

  private launch(step: Step): void {
    const running = this.busy.get(step.rentalId);
    if (step.do === 'cancel_pull') return running?.abort.abort();
    if (running) return;
    const abort = new AbortController();
    const done = this.run(step, abort.signal);
    this.busy.set(step.rentalId, { step, abort, done });
  }

  private async run(step: Step, signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    const outcome = await this.attempt(step, signal);
    const trace = this.trace(step.rentalId);
    const phase = PHASE_OF[step.do];
    if (phase) trace.phaseMs[phase] = Math.round((trace.phaseMs[phase] ?? 0) + performance.now() - startedMs);
    await this.conclude(step, outcome, signal);
    this.busy.delete(step.rentalId);
    this.wake();
  }

  private async attempt(step: Step, signal: AbortSignal): Promise<StepOutcome> {
    const { engine, tunnels, nodeId, maxImageBytes, log } = this.options;
    try {
      return await execute(step, {
        engine,
        tunnels,
        nodeId,
        maxImageBytes,
        signal,
        trace: (rentalId) => this.trace(rentalId),
        onProgress: () => this.wake(),
      });
    } catch (error) {
      if (!(error instanceof TunnelError)) log.error({ err: error, rental_id: step.rentalId, step: step.do }, 'a step failed');
      const message = error instanceof TunnelError ? 'The tunnel of the host is not up.' : 'Something went wrong on the host.';
      return { kind: 'retry', fault: { code: error instanceof TunnelError ? 'tunnel_failed' : 'internal', message } };
    }
  }

  private async conclude(step: Step, outcome: StepOutcome, signal: AbortSignal): Promise<void> {
    const { rentalId } = step;
    if (outcome.kind === 'done' || signal.aborted) {
      this.tries.delete(rentalId);
      this.notBefore.delete(rentalId);
      return;
    }
    if (outcome.kind === 'over' || this.isHopeless(step)) return this.giveUp(rentalId, outcome.fault);
    const tries = (this.tries.get(rentalId) ?? 0) + 1;
    this.tries.set(rentalId, tries);
    this.notBefore.set(rentalId, bootSeconds() + Math.min(MAX_BACKOFF_S, 0.5 * 2 ** tries));
    this.options.log.warn({ rental_id: rentalId, step: step.do, fault: outcome.fault, tries }, 'step will be tried again');
  }

  /** Only coming up is ever given up; tunnels are tried as long as the rental lives, and ending always. */
  private isHopeless(step: Step): boolean {
    const comingUp = step.do === 'pull' || step.do === 'create' || step.do === 'start';
    return comingUp && (this.tries.get(step.rentalId) ?? 0) + 1 >= MAX_TRIES;
  }

  private async giveUp(rentalId: string, fault: InstanceFault): Promise<void> {
    const { store, log } = this.options;
    this.tries.delete(rentalId);
    this.notBefore.delete(rentalId);
    const one = store.doc.instances[rentalId];
    if (!one || one.fault) return;
    log.info({ rental_id: rentalId, fault }, 'instance is over');
    await store.save({ ...store.doc, instances: { ...store.doc.instances, [rentalId]: { ...one, fault } } });
  }

  private trace(rentalId: string): Trace {
    let trace = this.traces.get(rentalId);
    if (!trace) this.traces.set(rentalId, (trace = { progress: null, digest: null, phaseMs: {}, upSince: null }));
    return trace;
  }

  /** Forgets what belongs to rentals that are neither wanted nor being removed. */
  forget(): void {
    const { doc } = this.options.store;
    for (const id of this.traces.keys()) if (!doc.instances[id] && !doc.absent[id]) this.traces.delete(id);
  }
}

const PHASE_OF: Partial<Record<Step['do'], string>> = { pull: 'pulling', create: 'creating', start: 'creating', tunnel: 'tunnelling' };
