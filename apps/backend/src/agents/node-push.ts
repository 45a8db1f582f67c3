import { Injectable } from '@nestjs/common';
import { agentMessages, fail, ok, type AckOf, type DesiredState, type Payload, type Result } from '@muster/shared-types';
import { AgentSockets } from './agent-sockets.js';
import { DesiredStates } from './desired-state.js';

/** What can be asked of a node and answered by it. */
type Request = 'log_request' | 'exec_open';

/**
 * Tells a node of a change, after its commit, on whichever replica its socket is. Nobody waits for the agent. At most
 * once: a message that is lost is made good by the desired state that every connected node gets once a minute.
 */
@Injectable()
export class NodePush {
  constructor(
    private readonly sockets: AgentSockets,
    private readonly states: DesiredStates,
  ) {}

  /** Sends the whole desired state. */
  async changed(nodeId: string): Promise<void> {
    const state = await this.states.of(nodeId);
    if (!state) return;
    this.#note(nodeId, state);
    this.sockets.send(nodeId, 'desired_state', state);
  }

  /** Sends `start_instance` with the generation of now; nothing when the rental is no longer wanted there. */
  async start(nodeId: string, rentalId: string): Promise<void> {
    const state = await this.states.of(nodeId);
    const spec = state?.instances.find((instance) => instance.rental_id === rentalId);
    if (!state || !spec) return;
    this.#note(nodeId, state);
    this.sockets.send(nodeId, 'start_instance', { ...spec, generation: state.generation });
  }

  /** Sends `stop_instance` as the desired state orders it; nothing when the node is not told to remove this rental. */
  async stop(nodeId: string, rentalId: string): Promise<void> {
    const state = await this.states.of(nodeId);
    const entry = state?.absent.find((absent) => absent.rental_id === rentalId);
    if (!state || !entry) return;
    this.#note(nodeId, state);
    this.sockets.send(nodeId, 'stop_instance', { ...entry, generation: state.generation });
  }

  async drain(nodeId: string, reason: string): Promise<void> {
    const state = await this.states.of(nodeId);
    if (state) this.sockets.send(nodeId, 'drain_node', { reason, generation: state.generation });
  }

  /** Orders executions that are leased to the node. */
  tasks(nodeId: string, executions: Payload<'run_tasks'>['executions']): void {
    this.sockets.send(nodeId, 'run_tasks', { executions });
  }

  /** Tells the node that these need not be finished. */
  cancelTasks(nodeId: string, executions: Payload<'cancel_tasks'>['executions']): void {
    this.sockets.send(nodeId, 'cancel_tasks', { executions });
  }

  /** Asks the node and waits for its answer. `node_unreachable` when there is none in time; the agent's own problem when it nacks. */
  async request<K extends Request>(nodeId: string, name: K, payload: Payload<K>, timeoutMs: number): Promise<Result<Extract<AckOf<K>, { ok: true }>>> {
    const session = this.sockets.live(nodeId);
    const answer = session ? await this.sockets.ask(session, name, payload, timeoutMs) : await this.sockets.askElsewhere(nodeId, name, payload, timeoutMs);
    const parsed = agentMessages[name].ack.safeParse(answer);
    if (!parsed.success) return fail('node_unreachable');
    return parsed.data.ok ? ok(parsed.data as Extract<AckOf<K>, { ok: true }>) : { ok: false, problem: parsed.data.problem };
  }

  /** What heartbeat acks tell the agent to expect. */
  #note(nodeId: string, state: DesiredState): void {
    const session = this.sockets.live(nodeId);
    if (!session) return;
    session.generation = BigInt(state.generation);
    session.idleDoc = state.instances.length === 0 && state.absent.length === 0 ? state : undefined;
  }
}
