import type { InstanceFault, InstanceSpec } from '@muster/shared-types';
import type { Engine, EngineResult, EngineStep } from '../docker/types.js';
import type { Tunnels } from '../tunnel/types.js';
import type { Step } from './plan.rules.js';
import type { Trace } from './status.rules.js';

/** A step that failed: tried again after a pause, or the end of this instance. */
export type StepOutcome = { kind: 'done' } | { kind: 'retry'; fault: InstanceFault } | { kind: 'over'; fault: InstanceFault };

export interface StepContext {
  engine: Engine;
  tunnels: Tunnels;
  nodeId: string;
  maxImageBytes: number;
  imagesReady: Promise<unknown>;
  /** References of images that instances here want. */
  keepImages: () => string[];
  signal: AbortSignal;
  trace: (rentalId: string) => Trace;
  onProgress: (rentalId: string) => void;
}

type Executors = { [K in Step['do']]: (step: Extract<Step, { do: K }>, context: StepContext) => Promise<StepOutcome> };

const DONE: StepOutcome = { kind: 'done' };

/** One executor per step; each is idempotent and leaves the truth to the next look at the machine. */
const executors: Executors = {
  pull: (step, context) => pull(step.spec, context),
  cancel_pull: async () => DONE,
  create: async (step, context) => withRoom(context, outcomeOf(await context.engine.create(step.spec, context.nodeId))),
  start: async (step, { engine }) => {
    const started = await engine.start(step.rentalId);
    // The next look finds it ended and asks why: that answer has its exit code and last words.
    return !started.ok && started.fault.code === 'exited_at_once' ? DONE : outcomeOf(started);
  },
  tunnel: async (step, { tunnels }) => {
    await tunnels.ensure(step.rentalId, step.mappings);
    return DONE;
  },
  untunnel: async (step, { tunnels }) => {
    await tunnels.remove(step.rentalId);
    return DONE;
  },
  cut: async (step, { engine }) => retried(await engine.cutAccess(step.rentalId)),
  stop: async (step, { engine }) => retried(await engine.stop(step.rentalId, step.graceS)),
  remove: async (step, { engine }) => retried(await engine.remove(step.rentalId, { keepDisk: step.keepDisk })),
  give_up: async (step) => ({ kind: 'over', fault: step.fault }),
  explain_exit: async (step, { engine }) => {
    const fault = await engine.exitFault(step.container);
    return fault ? { kind: 'over', fault } : DONE;
  },
};

export function execute(step: Step, context: StepContext): Promise<StepOutcome> {
  // The record is complete by its type; TypeScript cannot see that the step and its executor belong together.
  const executor = executors[step.do] as (step: Step, context: StepContext) => Promise<StepOutcome>;
  return executor(step, context);
}

/** Ends with its own signal, also when the pull is shared with another instance that goes on. */
async function pull(spec: InstanceSpec, context: StepContext): Promise<StepOutcome> {
  await Promise.race([context.imagesReady, aborted(context.signal)]);
  if (context.signal.aborted || (await context.engine.hasImage(spec.image))) return DONE;
  const outcome = await Promise.race([pullNow(spec, context), aborted(context.signal)]);
  return outcome === undefined ? DONE : withRoom(context, outcome);
}

const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });

/** A full disk is worth another try when images that nobody wants could go. */
async function withRoom({ engine, keepImages }: StepContext, outcome: StepOutcome): Promise<StepOutcome> {
  if (outcome.kind !== 'over' || outcome.fault.code !== 'disk_full') return outcome;
  const removed = await engine.collectImages(keepImages());
  return removed.length > 0 ? { kind: 'retry', fault: outcome.fault } : outcome;
}

async function pullNow(spec: InstanceSpec, context: StepContext): Promise<StepOutcome> {
  const trace = context.trace(spec.rental_id);
  const result = await context.engine.pull(spec.image, {
    auth: spec.registry_auth && { username: spec.registry_auth.username, password: spec.registry_auth.password, ...(spec.registry_auth.server && { server: spec.registry_auth.server }) },
    maxBytes: context.maxImageBytes,
    signal: context.signal,
    onProgress: (progress) => {
      trace.progress = progress;
      context.onProgress(spec.rental_id);
    },
  });
  if (result.ok) trace.digest = result.value.digest;
  return outcomeOf(result);
}

/** Faults that a second try can mend; all others end the instance. */
const PASSING = new Set<InstanceFault['code']>(['engine_down', 'image_pull_failed', 'internal', 'tunnel_failed']);

function outcomeOf(result: EngineResult<unknown>): StepOutcome {
  if (result.ok) return DONE;
  return { kind: PASSING.has(result.fault.code) ? 'retry' : 'over', fault: result.fault };
}

/** Ending something is tried for ever. */
const retried = (result: EngineStep): StepOutcome => (result.ok ? DONE : { kind: 'retry', fault: result.fault });
