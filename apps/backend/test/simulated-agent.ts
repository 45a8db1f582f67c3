import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import {
  AGENT_NAMESPACE,
  connectStatement,
  DesiredState,
  enrolStatement,
  PROBLEM_EVENT,
  reportLeaf,
  RESULTS_DOMAIN,
  resultsStatement,
  type AgentMessageName,
  type EnrolResult,
  type ExecutionReport,
  type ExecutionSpec,
  type GpuInventory,
  type Heartbeat,
  type InstanceBeat,
  type InstanceSpec,
  type InstanceState,
  type InstanceUpdate,
  type Inventory,
  type Problem,
  type TaskResults,
} from '@muster/shared-types';
import { sha256Hex, signBatch } from '@muster/proof';
import { waitFor } from '@muster/testkit';
import { io, type Socket } from 'socket.io-client';
import type { Answer, TestAccount, TestApp } from './app.js';

/** A node key as an agent makes it. */
export class NodeKey {
  readonly #pair = generateKeyPairSync('ed25519');
  readonly publicKey = this.#pair.publicKey.export({ format: 'jwk' }).x ?? '';

  sign(statement: string): string {
    return sign(null, Buffer.from(statement, 'utf8'), this.#pair.privateKey).toString('base64url');
  }
}

export function simulatedGpu(index: number, over: Partial<GpuInventory> = {}): GpuInventory {
  return {
    uuid: `GPU-${randomUUID()}`, index, name: 'RTX 4090', gpu_ram_mb: 24_564, compute_cap: 890, pcie_gen: 4, pcie_width: 16, serial: null, state: 'ok', mig: false, ...over,
  };
}

/** An inventory that passes every check. */
export function simulatedInventory(over: Partial<Inventory> = {}): Inventory {
  return {
    hostname: 'simulated', os: 'Debian GNU/Linux 12', kernel: '6.18.0', arch: 'x64', boot_id: randomUUID(), cpu_name: 'Simulated CPU', cpu_cores: 16,
    cpu_ram_mb: 65_536, disk_gb: 500, gpus: [], driver_version: null, cuda_max_good: null,
    docker: { version: '20.10.24', api_version: '1.41', storage_driver: 'overlay2', userns: true, runc: '1.1.5' },
    isolation: 'basic', images: ['muster/workspace'], capabilities: [], preflight: [], agent_version: '0.1.0', ...over,
  };
}

/** The five names that every heartbeat has, and nothing else. */
export const plainHeartbeat = (nodeId: string): Heartbeat => ({
  node_id: nodeId,
  status: 'online',
  metrics: { cpu_temp: 45.5, gpu_temp: [60, 58], gpu_utilization: [80, 10], ram_usage_mb: 4096, disk_usage_gb: 120 },
});

export interface EnrolOptions {
  name?: string;
  key?: NodeKey;
  inventory?: Inventory;
  geolocation?: string;
  /** Enrolled without putting it on the market unless told. */
  list?: boolean;
}

/** The two calls of an enrolment. */
export async function enrolByHand(app: TestApp, hostKey: string, options: EnrolOptions = {}): Promise<Answer> {
  const key = options.key ?? new NodeKey();
  const { body } = await app.call('createEnrolNonce', { token: hostKey });
  return app.call('enrolNode', {
    token: hostKey,
    body: {
      public_key: key.publicKey,
      nonce: body.nonce,
      signature: key.sign(enrolStatement(body.nonce, key.publicKey)),
      inventory: options.inventory ?? simulatedInventory(),
      list: options.list ?? false,
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.geolocation === undefined ? {} : { geolocation: options.geolocation }),
    },
  });
}

export interface Received {
  event: string;
  payload: unknown;
}

interface SimulatedInstance {
  spec: InstanceSpec;
  state: InstanceState;
  sinceMs: number;
}

/** What a simulated node makes of an execution: text it prints, a fault, or nothing at all. */
export type Played = string | { fault: NonNullable<ExecutionReport['fault']> } | null;

/** What `echo hello` prints; the others are made up. */
export const HELLO = 'hello\n';

export function reportOf(spec: Pick<ExecutionSpec, 'execution_id' | 'attempt'>, played: Exclude<Played, null>, over: Partial<ExecutionReport> = {}): ExecutionReport {
  const fault = typeof played === 'string' ? null : played.fault;
  const text = typeof played === 'string' ? played : null;
  return {
    execution_id: spec.execution_id, attempt: spec.attempt, result_hash: text === null ? null : sha256Hex(text), result: text, result_encoding: 'utf8', manifest: null,
    exit_code: fault ? 1 : 0, fault, logs: text ?? '', duration_ms: 40, image_digest: null, ...over,
  };
}

/**
 * A host without Docker: enrols with a real key pair, answers the challenge, beats, and plays every instance it is told
 * to start as far as `plays` says. Everything the market sends is kept in `received`.
 */
export class SimulatedAgent {
  readonly received: Received[] = [];
  readonly instances = new Map<string, SimulatedInstance>();
  readonly problems: Problem[] = [];
  /** How far a started instance gets by itself; `stays` = nothing is reported. */
  plays: 'running' | 'stays' = 'running';
  /** Whether an instance that must go is reported gone. */
  reportsGone = true;
  tunnelUp = true;
  generation = 0;
  logText = 'hello from the instance\n';
  /** What it does with a message instead of what it does by itself; the answer is the ack. */
  readonly instead: Partial<Record<AgentMessageName, (payload: never) => unknown>> = {};
  disconnects = 0;
  #socket: Socket | undefined;
  #beats: NodeJS.Timeout | undefined;
  readonly #startedMs = performance.now();
  /** Executions in hand, by id: named in every heartbeat until their report is acked. */
  readonly executions = new Map<string, ExecutionSpec>();
  /** Everything it was ever ordered to run, in order, repeats included. */
  readonly ordered: ExecutionSpec[] = [];
  readonly cancelled: string[] = [];
  /** What it makes of an execution. */
  runs: (spec: ExecutionSpec) => Played = () => HELLO;
  /** Whether its heartbeats name what it has in hand. */
  namesExecutions = true;
  resultsSeq = 0;
  readonly outcomes = new Map<string, string>();
  #unsent: ExecutionReport[] = [];
  #sending = false;

  private constructor(
    readonly app: TestApp,
    readonly owner: TestAccount,
    readonly hostKey: string,
    readonly key: NodeKey,
    readonly enrolled: EnrolResult,
    readonly inventory: Inventory,
  ) {}

  /** Enrols a machine of this account (with a host API key of its own when none is given). Throws when refused. */
  static async enrol(app: TestApp, owner: TestAccount, options: EnrolOptions & { hostKey?: string } = {}): Promise<SimulatedAgent> {
    const hostKey = options.hostKey ?? (await app.makeKey(owner, { kind: 'host' })).key;
    const key = options.key ?? new NodeKey();
    const inventory = options.inventory ?? simulatedInventory();
    const { status, body } = await enrolByHand(app, hostKey, { ...options, key, inventory });
    if (status !== 201) throw new Error(`enrolment refused: ${JSON.stringify(body)}`);
    return new SimulatedAgent(app, owner, hostKey, key, body, inventory);
  }

  /** Enrolled, connected, beating once, and on the market. */
  static async listed(app: TestApp, owner: TestAccount, options: EnrolOptions & { hostKey?: string } = {}): Promise<SimulatedAgent> {
    const agent = await SimulatedAgent.enrol(app, owner, options);
    await agent.connect();
    await agent.beat();
    const { status, body } = await app.call('listNode', { token: owner.token, params: { node_id: agent.nodeId } });
    if (status !== 200) throw new Error(`not listed: ${JSON.stringify(body)}`);
    return agent;
  }

  get nodeId(): string {
    return this.enrolled.node_id;
  }

  get socket(): Socket {
    if (!this.#socket) throw new Error('the simulated agent is not connected');
    return this.#socket;
  }

  get connected(): boolean {
    return this.#socket?.connected === true;
  }

  /** Dials `url` (another replica's, if given) and waits for the first desired state: the proof was accepted. */
  async connect(url: string = this.app.url): Promise<void> {
    const before = this.payloads('desired_state').length;
    this.#socket = io(`${url}${AGENT_NAMESPACE}`, {
      transports: ['websocket'],
      extraHeaders: { authorization: `Bearer ${this.hostKey}` },
      reconnection: false,
      forceNew: true,
    });
    this.#listen(this.#socket);
    await waitFor(() => this.payloads('desired_state').length > before || undefined, { what: 'the desired state', deadlineMs: 10_000 });
  }

  /** Sends one message and waits for its ack. */
  // The tests look into acks of every shape.
  // oxlint-disable-next-line typescript/no-explicit-any
  send(event: AgentMessageName | string, payload: unknown): Promise<any> {
    return this.socket.timeout(10_000).emitWithAck(event, payload);
  }

  /** One heartbeat with what runs. Returns the ack. */
  beat(over: Partial<Heartbeat> = {}): ReturnType<SimulatedAgent['send']> {
    return this.send('heartbeat', { ...plainHeartbeat(this.nodeId), up_s: this.#upS(), generation: this.generation, instances: this.beats(), executions: this.executionBeats(), ...over });
  }

  beatEvery(ms: number): void {
    this.#beats = setInterval(() => void this.beat().catch(() => undefined), ms);
  }

  stopBeating(): void {
    clearInterval(this.#beats);
  }

  report(update: Partial<InstanceUpdate> & Pick<InstanceUpdate, 'rental_id' | 'state'>): ReturnType<SimulatedAgent['send']> {
    return this.send('instance_update', { epoch: this.instances.get(update.rental_id)?.spec.epoch ?? 1, ...update });
  }

  payloads(event: string): unknown[] {
    return this.received.filter((message) => message.event === event).map((message) => message.payload);
  }

  close(): void {
    this.stopBeating();
    this.#socket?.disconnect();
  }

  beats(): InstanceBeat[] {
    return [...this.instances.values()].map(({ spec, state, sinceMs }) => ({
      rental_id: spec.rental_id,
      epoch: spec.epoch,
      state,
      tunnel_up: this.tunnelUp && state === 'running',
      up_s: state === 'running' ? (performance.now() - sinceMs) / 1000 : 0,
    }));
  }

  executionBeats(): { execution_id: string; attempt: number }[] {
    return this.namesExecutions ? [...this.executions.values()].map(({ execution_id, attempt }) => ({ execution_id, attempt })) : [];
  }

  /** A batch as an agent signs it. */
  signed(results: ExecutionReport[], over: Partial<TaskResults> = {}): TaskResults {
    const seq = over.seq ?? (this.resultsSeq += 1);
    const statement = (head: { root: string; count: number }) => resultsStatement({ v: 1, node_id: this.nodeId, seq, ...head });
    const head = signBatch({ sign: (text) => this.key.sign(text), domain: RESULTS_DOMAIN, leaves: results.map(reportLeaf), statement });
    return { v: 1, node_id: this.nodeId, seq, ...head, results, ...over };
  }

  hand(results: ExecutionReport[], over: Partial<TaskResults> = {}): ReturnType<SimulatedAgent['send']> {
    return this.send('task_results', this.signed(results, over));
  }

  #run(specs: readonly ExecutionSpec[]): void {
    for (const spec of specs) {
      this.ordered.push(spec);
      if (this.executions.get(spec.execution_id)?.attempt === spec.attempt) continue;
      this.executions.set(spec.execution_id, spec);
      const played = this.runs(spec);
      if (played !== null) this.#unsent.push(reportOf(spec, played));
    }
    void this.#sendReports().catch(() => undefined);
  }

  /** One batch at a time, as much as there is. */
  async #sendReports(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#unsent.length > 0 && this.connected) await this.#sendSome(this.#unsent.splice(0, 200));
    } finally {
      this.#sending = false;
    }
  }

  async #sendSome(reports: ExecutionReport[]): Promise<void> {
    const answer = await this.hand(reports).catch(() => undefined);
    if (answer?.ok !== true) return void this.#unsent.unshift(...reports);
    for (const { execution_id: id, outcome } of answer.outcomes) {
      this.outcomes.set(id, outcome);
      this.executions.delete(id);
    }
  }

  #upS(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  #listen(socket: Socket): void {
    socket.on(PROBLEM_EVENT, (problem: Problem) => this.problems.push(problem));
    socket.on('disconnect', () => (this.disconnects += 1));
    socket.onAny((event: string, payload: unknown, ack?: (answer: unknown) => void) => {
      this.received.push({ event, payload });
      // What comes by way of another replica asks for no answer.
      const answer = this.#answer(event, payload);
      if (typeof ack === 'function') ack(answer);
    });
  }

  #answer(event: string, payload: unknown): unknown {
    const own = this.instead[event as AgentMessageName];
    if (own) return own(payload as never);
    if (event === 'challenge') return this.#prove((payload as { nonce: string }).nonce);
    if (event === 'desired_state') this.#follow(DesiredState.parse(payload));
    if (event === 'start_instance') this.#start(payload as InstanceSpec & { generation: number });
    if (event === 'stop_instance') this.#remove((payload as { rental_id: string }).rental_id);
    if (event === 'run_tasks') this.#run((payload as { executions: ExecutionSpec[] }).executions);
    if (event === 'cancel_tasks') this.#cancel((payload as { executions: { execution_id: string }[] }).executions);
    if (event === 'log_request') return { ok: true, text: this.logText, truncated: false };
    return { ok: true };
  }

  #prove(nonce: string): unknown {
    const signature = this.key.sign(connectStatement(nonce, this.nodeId));
    return { ok: true, node_id: this.nodeId, signature, agent_version: '0.1.0', boot_id: this.inventory.boot_id };
  }

  #cancel(entries: readonly { execution_id: string }[]): void {
    for (const { execution_id: id } of entries) {
      this.cancelled.push(id);
      this.executions.delete(id);
    }
  }

  #follow(state: DesiredState): void {
    this.generation = state.generation;
    for (const spec of state.instances) this.#start(spec);
    for (const entry of state.absent) this.#remove(entry.rental_id, entry.epoch);
  }

  #start(spec: InstanceSpec): void {
    const known = this.instances.get(spec.rental_id);
    if (known && known.spec.epoch >= spec.epoch) return;
    this.instances.set(spec.rental_id, { spec, state: 'queued', sinceMs: performance.now() });
    if (this.plays === 'running') void this.play(spec.rental_id, 'running');
  }

  /** Reports the phases up to `state`. */
  async play(rentalId: string, state: InstanceState): Promise<void> {
    const order: InstanceState[] = ['pulling', 'creating', 'tunnelling', 'running'];
    for (const step of order.slice(0, order.indexOf(state) + 1)) {
      const instance = this.instances.get(rentalId);
      if (!instance || !this.connected) return;
      this.instances.set(rentalId, { ...instance, state: step, sinceMs: performance.now() });
      await this.report({ rental_id: rentalId, state: step, ...(step === 'creating' ? { container_id: `c-${rentalId}` } : {}) }).catch(() => undefined);
    }
  }

  #remove(rentalId: string, epoch = 1): void {
    const known = this.instances.get(rentalId);
    this.instances.delete(rentalId);
    if (this.reportsGone) void this.send('instance_update', { rental_id: rentalId, epoch: known?.spec.epoch ?? epoch, state: 'gone' }).catch(() => undefined);
  }
}
