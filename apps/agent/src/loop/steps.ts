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
  create: async (step, { engine, nodeId }) => outcomeOf(await engine.create(step.spec, nodeId)),
  start: async (step, { engine }) => outcomeOf(await engine.start(step.rentalId)),
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

async function pull(spec: InstanceSpec, context: StepContext): Promise<StepOutcome> {
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
