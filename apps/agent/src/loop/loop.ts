import type { Logger } from 'pino';
import { bootSeconds } from '../boot-clock.js';
import type { Engine } from '../docker/types.js';
import type { Tunnels } from '../tunnel/types.js';
import type { DesiredStore } from './desired-store.js';
import { DoorWatch } from './doors.js';
import { Observer } from './observe.js';
import { nextDeadlineInS, type Observed, plan } from './plan.rules.js';
import { StepRunner } from './runner.js';
import { isUp, keptDisks, stateOf, type Trace, upSince, withMemory } from './status.rules.js';
import { Traces } from './traces.js';
import { Upkeep } from './upkeep.js';

export interface LoopOptions {
  engine: Engine;
  tunnels: Tunnels;
  store: DesiredStore;
  nodeId: string;
  maxImageBytes: number;
  poolBytes: number;
  /** Resolves when the images that came with the agent are imported; nothing is pulled before. */
  imagesReady: Promise<unknown>;
  log: Logger;
  /** Called after every pass with what was seen; tells the server what is new. */
  onPass: (observed: Observed, traces: ReadonlyMap<string, Trace>) => void;
}

/** With nothing to wake it, the loop looks at the machine this often. */
const REST_MS = 1_000;
/** While an instance comes up the tunnel's status has no event to wait for. */
const EAGER_REST_MS = 25;
/** Between two passes, however often it is woken: a flood of engine events costs passes, not the processor. */
const SHORTEST_REST_MS = 5;

/**
 * INVARIANTS: one pass at a time; nothing slow is waited for in a pass; nothing new starts before the server has said
 * what it wants; what the plan decides is carried out by `StepRunner` and looked up in the next pass.
 */
export class Loop {
  private readonly traces = new Traces();
  private readonly observer: Observer;
  private readonly runner: StepRunner;
  private readonly upkeep: Upkeep;
  private readonly doors: DoorWatch;
  private readonly startedS = bootSeconds();
  private seenContainers: Observed['containers'] = null;
  private spoken = false;
  private wakeUp: (() => void) | null = null;
  private woken = false;
  private running: Promise<void> | null = null;
  private stopping = false;
  /** Boot-clock second of the last finished pass: health is that the loop turns. */
  lastPassBootS = bootSeconds();
  lastObserved: Observed | null = null;

  constructor(private readonly options: LoopOptions) {
    const { engine, tunnels, store, poolBytes, log } = options;
    const wake = (): void => this.wake();
    this.observer = new Observer(engine, tunnels);
    this.runner = new StepRunner({ ...options, traces: this.traces, wake });
    this.upkeep = new Upkeep(engine, store, poolBytes, log, wake);
    this.doors = new DoorWatch(engine);
  }

  start(): void {
    this.running ??= this.turn();
  }

  /** Run a pass now. */
  wake(): void {
    this.woken = true;
    this.wakeUp?.();
  }

  /** The server was heard: leases start over. */
  heard(): void {
    this.options.store.contact(bootSeconds());
  }

  /** The server has said what it wants: from now on new instances may start. */
  told(): void {
    this.spoken = true;
    this.heard();
    this.wake();
  }

  get tracesView(): ReadonlyMap<string, Trace> {
    return this.traces.view;
  }

  get use(): Upkeep['use'] {
    return this.upkeep.use;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.running;
    await Promise.all([this.runner.stop(), this.upkeep.stop()]);
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
    await new Promise((resolve) => setTimeout(resolve, SHORTEST_REST_MS));
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

  /** An instance waits for nothing but its tunnel. One whose tunnel stays down does not keep the loop spinning for ever. */
  private isEager(): boolean {
    const now = performance.now();
    return [...this.traces.view.values()].some((trace) => trace.tunnellingMs !== null && now - trace.tunnellingMs < EAGER_FOR_MS);
  }

  private async pass(): Promise<void> {
    const { store } = this.options;
    const observed = await this.look();
    this.remember(observed);
    this.rememberDisks(observed);
    for (const step of plan(store.doc, observed)) this.runner.launch(step);
    this.doors.tick(store.doc, observed);
    this.upkeep.tick(observed.bootS);
    this.lastObserved = withMemory(observed, this.seenContainers);
    this.lastPassBootS = bootSeconds();
    this.options.onPass(observed, this.traces.view);
    this.forget();
  }

  private async look(): Promise<Observed> {
    const { store, tunnels } = this.options;
    const bootS = bootSeconds();
    const observed = await this.observer.look(store.doc, {
      busy: this.runner.busy,
      pulling: this.runner.pulling,
      resting: this.runner.resting(bootS),
      made: this.runner.made,
      silentDoorS: this.doors.silentS(bootS),
      rootOverrun: this.upkeep.rootOverrun,
      spoken: this.spoken,
      agentUpS: bootS - this.startedS,
      bootS,
    });
    if (tunnels.connected()) store.contact(bootS);
    if (observed.containers !== null) this.seenContainers = observed.containers;
    return observed;
  }

  /** Since when each instance is up, how long its tunnel took, and, once, on disk, that it has run. */
  private remember(raw: Observed): void {
    const { store } = this.options;
    const observed = withMemory(raw, this.seenContainers);
    for (const one of Object.values(store.doc.instances)) {
      const trace = this.traces.of(one.spec.rental_id);
      trace.upSince = upSince(one, observed, trace.upSince);
      this.timeTunnel(one.spec.rental_id, stateOf(one, containerOf(one.spec.rental_id, observed), observed) === 'tunnelling', isUp(one, observed));
      if (trace.upSince === null || one.ran) continue;
      store.saveSoon({ ...store.doc, instances: { ...store.doc.instances, [one.spec.rental_id]: { ...one, ran: true } } });
    }
  }

  /** Disks need no engine to be seen. */
  private rememberDisks(observed: Observed): void {
    const kept = new Set(keptDisks(this.options.store.doc).map(({ rentalId }) => rentalId));
    for (const id of kept) this.traces.of(id);
    for (const [id, trace] of this.traces.view) trace.diskSince = kept.has(id) && observed.disks.has(id) ? (trace.diskSince ?? observed.bootS) : null;
  }

  private timeTunnel(rentalId: string, tunnelling: boolean, up: boolean): void {
    const trace = this.traces.of(rentalId);
    if (tunnelling) trace.tunnellingMs ??= performance.now();
    else {
      if (up && trace.tunnellingMs !== null) trace.phaseMs['tunnelling'] = Math.round(performance.now() - trace.tunnellingMs);
      trace.tunnellingMs = null;
    }
  }

  /** What belongs to rentals that are neither wanted nor being removed. A proxy that is left may still have to be tried again. */
  private forget(): void {
    const { doc } = this.options.store;
    const known = new Set([...Object.keys(doc.instances), ...Object.keys(doc.absent)]);
    this.traces.keep(known);
    this.runner.keep(new Set([...known, ...(this.lastObserved?.tunnels ?? []).map((tunnel) => tunnel.rentalId)]));
  }
}

const EAGER_FOR_MS = 15_000;

const containerOf = (rentalId: string, observed: Observed) => observed.containers?.find((item) => item.rentalId === rentalId);
