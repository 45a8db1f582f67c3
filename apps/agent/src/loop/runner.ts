import type { InstanceFault } from '@muster/shared-types';
import type { Logger } from 'pino';
import { bootSeconds } from '../boot-clock.js';
import type { Engine } from '../docker/types.js';
import { TunnelError, type Tunnels } from '../tunnel/types.js';
import type { DesiredStore } from './desired-store.js';
import { type Step, stepKey } from './plan.rules.js';
import { execute, type StepOutcome } from './steps.js';
import type { Traces } from './traces.js';

export interface RunnerOptions {
  engine: Engine;
  tunnels: Tunnels;
  store: DesiredStore;
  traces: Traces;
  nodeId: string;
  maxImageBytes: number;
  /** Resolves when the images that came with the agent are imported; nothing is pulled before. */
  imagesReady: Promise<unknown>;
  log: Logger;
  /** Something has changed: look again. */
  wake: () => void;
}

/** Tries of a passing fault before an instance that never ran is given up. */
const MAX_TRIES = 3;
const MAX_REST_S = 30;
/** Tunnels, and ending something, are tried soon again: somebody's access or money hangs on it. */
const MAX_URGENT_REST_S = 2;
/** frpc may be half a second away from answering. */
const FIRST_TUNNEL_REST_S = 0.1;
const FIRST_REST_S = 0.5;
const COMING_UP: ReadonlySet<Step['do']> = new Set(['pull', 'create', 'start']);
const PHASE_OF: Partial<Record<Step['do'], string>> = { pull: 'pulling', create: 'creating', start: 'creating' };

interface UnderWay {
  step: Step;
  abort: AbortController;
  done: Promise<void>;
}

/**
 * Carries steps out beside one another. INVARIANTS: at most one step per rental under way; what a step says is not
 * believed but looked up in the next pass; only ending an instance (`fault`) is written down here.
 */
export class StepRunner {
  private readonly underWay = new Map<string, UnderWay>();
  private readonly tries = new Map<string, number>();
  private readonly restUntil = new Map<string, number>();
  private readonly madeHere = new Set<string>();

  constructor(private readonly options: RunnerOptions) {}

  get busy(): ReadonlySet<string> {
    return new Set(this.underWay.keys());
  }

  get pulling(): ReadonlySet<string> {
    return new Set([...this.underWay.values()].filter((one) => one.step.do === 'pull').map((one) => one.step.rentalId));
  }

  get made(): ReadonlySet<string> {
    return this.madeHere;
  }

  /** Steps that rest after a failure. */
  resting(bootS: number): ReadonlySet<string> {
    return new Set([...this.restUntil].filter(([, until]) => until > bootS).map(([key]) => key));
  }

  launch(step: Step): void {
    const running = this.underWay.get(step.rentalId);
    if (step.do === 'cancel_pull') return running?.abort.abort();
    if (running) return;
    const abort = new AbortController();
    this.underWay.set(step.rentalId, { step, abort, done: this.run(step, abort.signal) });
  }

  /** Aborts what can be aborted and waits for the rest. */
  async stop(): Promise<void> {
    const all = [...this.underWay.values()];
    for (const { abort } of all) abort.abort();
    await Promise.allSettled(all.map((one) => one.done));
  }

  /** Forgets all but these rentals. */
  keep(rentalIds: ReadonlySet<string>): void {
    const stays = (key: string): boolean => rentalIds.has(key.split('/', 1)[0] ?? '');
    for (const map of [this.tries, this.restUntil]) for (const key of map.keys()) if (!stays(key)) map.delete(key);
    for (const id of this.madeHere) if (!stays(id)) this.madeHere.delete(id);
  }

  private async run(step: Step, signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    const outcome = await this.attempt(step, signal);
    this.noteTime(step, performance.now() - startedMs);
    try {
      await this.conclude(step, outcome, signal);
    } catch (error) {
      this.options.log.error({ err: error, rental_id: step.rentalId }, 'what a step came to could not be written down');
      this.rest(step, 0);
    }
    this.underWay.delete(step.rentalId);
    this.options.wake();
  }

  private noteTime(step: Step, ms: number): void {
    const phase = PHASE_OF[step.do];
    const { phaseMs } = this.options.traces.of(step.rentalId);
    if (phase) phaseMs[phase] = Math.round((phaseMs[phase] ?? 0) + ms);
  }

  private async attempt(step: Step, signal: AbortSignal): Promise<StepOutcome> {
    const { traces, log } = this.options;
    try {
      return await execute(step, { ...this.options, signal, keepImages: () => this.options.store.wantedImages(), trace: (id) => traces.of(id), onProgress: this.options.wake });
    } catch (error) {
      if (error instanceof TunnelError) return { kind: 'retry', fault: { code: 'tunnel_failed', message: 'The tunnel of the host is not up.' } };
      log.error({ err: error, rental_id: step.rentalId, step: step.do }, 'a step failed');
      return { kind: 'retry', fault: { code: 'internal', message: 'Something went wrong on the host.' } };
    }
  }

  private async conclude(step: Step, outcome: StepOutcome, signal: AbortSignal): Promise<void> {
    const key = stepKey(step);
    if (outcome.kind === 'done' || signal.aborted) {
      this.tries.delete(key);
      this.restUntil.delete(key);
      if (step.do === 'create') this.madeHere.add(step.rentalId);
      if (step.do === 'remove') this.madeHere.delete(step.rentalId);
      return;
    }
    const tries = (this.tries.get(key) ?? 0) + 1;
    if (outcome.kind === 'over' || this.isHopeless(step, outcome.fault, tries)) return this.giveUp(step.rentalId, outcome.fault);
    this.options.log.warn({ rental_id: step.rentalId, step: step.do, code: outcome.fault.code, tries }, 'a step will be tried again');
    this.rest(step, tries);
  }

  private rest(step: Step, tries: number): void {
    const longest = COMING_UP.has(step.do) ? MAX_REST_S : MAX_URGENT_REST_S;
    const first = step.do === 'tunnel' ? FIRST_TUNNEL_REST_S : FIRST_REST_S;
    this.tries.set(stepKey(step), tries);
    this.restUntil.set(stepKey(step), bootSeconds() + Math.min(longest, first * 2 ** tries));
  }

  /** Only coming up is given up, and not for a dead engine: for that the plan has its own patience. */
  private isHopeless(step: Step, fault: InstanceFault, tries: number): boolean {
    return COMING_UP.has(step.do) && fault.code !== 'engine_down' && tries >= MAX_TRIES;
  }

  private async giveUp(rentalId: string, fault: InstanceFault): Promise<void> {
    const { store, log } = this.options;
    const one = store.doc.instances[rentalId];
    if (!one || one.fault) return;
    // The code only: the message may end with what the tenant's program wrote last.
    log.info({ rental_id: rentalId, code: fault.code }, 'instance is over');
    await store.save({ ...store.doc, instances: { ...store.doc.instances, [rentalId]: { ...one, fault } } });
  }
}
