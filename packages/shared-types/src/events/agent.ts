import { z } from 'zod';
import { NodeStatus, RentalPhase } from '../enums.js';
import { Problem } from '../problems.js';
import { Timestamp, Uuid } from '../units.js';
import { Inventory } from '../entities/inventory.js';
import { JOB_LIMITS } from '../numbers.js';
import { ExecData, ExecOpen, ExecResize } from './exec.js';
import { CancelTasks, ExecutionBeat, ExecutionSpec, ReportOutcome, TaskResults, TaskUpdate } from './tasks.js';

/**
 * The agent protocol: Socket.IO namespace `/agent`, websocket only, header `Authorization: Bearer <HOST_API_KEY>`.
 * `emit(event, data, ack)`; a payload that is the whole envelope `{event, data}` is unwrapped. Every message is acked
 * with `{ok:true, …}` or `{ok:false, problem}`. The agent reads tolerantly (unknown fields ignored), so does the server.
 */
export const AGENT_NAMESPACE = '/agent';
/** Sent without an ack, with a `Problem`, before the server ends a socket: `superseded`, a revoked key, a failed proof. */
export const PROBLEM_EVENT = 'problem';

/** What an instance does, as the agent sees it in Docker. `stopped`: its container is no more, its disk is kept. `gone`: neither is there. */
export const InstanceState = z.enum(['queued', 'pulling', 'creating', 'tunnelling', 'running', 'stopping', 'stopped', 'exited', 'gone', 'failed']);
export type InstanceState = z.infer<typeof InstanceState>;

/** Why an instance failed or ended, as a code plus words for a person. */
export const InstanceFault = z.object({
  code: z.enum([
    'image_pull_failed',
    'image_too_large',
    'exited_at_once',
    'exited',
    'out_of_memory',
    'port_not_answering',
    'disk_full',
    'root_disk_overrun',
    'disk_lost',
    'engine_down',
    'gpu_unavailable',
    'tunnel_failed',
    'bad_spec',
    'deadline',
    'lease_ended',
    'host_rebooted',
    'internal',
  ]),
  message: z.string().max(2000),
  exit_code: z.number().int().optional(),
});
export type InstanceFault = z.infer<typeof InstanceFault>;

/** Why a GPU is slower than it could be. The three of heat come first. */
export const ThrottleReason = z.enum(['hw_thermal', 'sw_thermal', 'hw_slowdown', 'power_brake', 'power_cap', 'sync_boost', 'applications_clocks', 'display_clock']);
export type ThrottleReason = z.infer<typeof ThrottleReason>;

/** A fault that the driver wrote to the kernel's log. Sent with every heartbeat for ten minutes; `seq` tells one from another. */
export const XidEvent = z.object({
  /** Of the kernel's record, within this boot. */
  seq: z.number().int().nonnegative(),
  boot_id: z.string().max(100),
  xid: z.number().int().nonnegative().max(100_000),
  gpu_uuid: z.string().max(100),
  /** Seconds since it happened, on the machine's own clock. */
  ago_s: z.number().nonnegative(),
});
export type XidEvent = z.infer<typeof XidEvent>;

export const GpuSample = z.object({
  uuid: z.string().max(100),
  index: z.number().int().optional(),
  utilization: z.number().nullish(),
  memory_used_mb: z.number().nullish(),
  temp: z.number().nullish(),
  power_w: z.number().nullish(),
  state: z.enum(['ok', 'unknown', 'lost']).optional(),
  /** Percent of the time in which memory was read or written. */
  memory_utilization: z.number().nullish(),
  memory_temp: z.number().nullish(),
  power_limit_w: z.number().nullish(),
  clock_sm_mhz: z.number().nullish(),
  clock_memory_mhz: z.number().nullish(),
  fan_percent: z.number().nullish(),
  /** The link as it is now; it is slower while the GPU rests. */
  pcie_gen: z.number().nullish(),
  pcie_width: z.number().nullish(),
  /** KB/s over the last 20 ms, as NVML counts them. */
  pcie_rx_kb_s: z.number().nullish(),
  pcie_tx_kb_s: z.number().nullish(),
  /** Memory errors since the driver was loaded. */
  ecc_corrected: z.number().nullish(),
  ecc_uncorrected: z.number().nullish(),
  /** A spare row could not be mapped in: this GPU has to be replaced. */
  remap_failed: z.boolean().optional(),
  throttle: z.array(ThrottleReason).max(16).optional(),
  /** Programs that compute on it and are in none of our containers. Absent: it cannot be told. */
  foreign_processes: z.number().int().nonnegative().optional(),
  foreign_memory_mb: z.number().nonnegative().optional(),
});
export type GpuSample = z.infer<typeof GpuSample>;

/** Per instance in a heartbeat. `tunnel_up`: frpc reports every proxy of this instance running. */
export const InstanceBeat = z.object({
  rental_id: Uuid,
  epoch: z.number().int().nonnegative(),
  state: InstanceState,
  tunnel_up: z.boolean(),
  /** Seconds, on the host's monotonic clock, for which the instance has been running with its tunnel up without a break. */
  up_s: z.number().nonnegative(),
  /**
   * Seconds, on the same clock, for which the agent has seen its disk here without a break. Sent where the market ordered that a
   * disk be kept: stopped, stopping, or on its way back. Its storage is billed by it.
   */
  disk_s: z.number().nonnegative().optional(),
  cpu_percent: z.number().nullish(),
  ram_used_mb: z.number().nullish(),
  disk_used_mb: z.number().nullish(),
  /** Since the container was started, counted at its own network card: `rx` came in. */
  rx_bytes: z.number().nonnegative().nullish(),
  tx_bytes: z.number().nonnegative().nullish(),
  /** Mean over its GPUs, percent. */
  gpu_utilization: z.number().nullish(),
  /** Sum over its GPUs. */
  gpu_memory_used_mb: z.number().nullish(),
});
export type InstanceBeat = z.infer<typeof InstanceBeat>;

export const HeartbeatMetrics = z.object({
  cpu_temp: z.number().nullable(),
  gpu_temp: z.array(z.number().nullable()).max(64),
  gpu_utilization: z.array(z.number().nullable()).max(64),
  ram_usage_mb: z.number().nonnegative(),
  disk_usage_gb: z.number().nonnegative(),
  cpu_utilization: z.number().optional(),
  load_1m: z.number().optional(),
  net_rx_bytes: z.number().optional(),
  net_tx_bytes: z.number().optional(),
  disk_total_gb: z.number().nonnegative().optional(),
  /** Bytes since boot over the machine's own disks. */
  disk_read_bytes: z.number().optional(),
  disk_write_bytes: z.number().optional(),
  gpus: z.array(GpuSample).max(64).optional(),
  xids: z.array(XidEvent).max(64).optional(),
});
export type HeartbeatMetrics = z.infer<typeof HeartbeatMetrics>;

export const Heartbeat = z.object({
  node_id: Uuid,
  status: NodeStatus,
  metrics: HeartbeatMetrics,
  seq: z.number().int().nonnegative().optional(),
  /** Monotonic seconds since the agent process started. */
  up_s: z.number().nonnegative().optional(),
  /** The last desired state that was applied. */
  generation: z.number().int().nonnegative().optional(),
  instances: z.array(InstanceBeat).max(512).optional(),
  /** Executions this node works on; each is named until its report is acked. Extends their leases. */
  executions: z.array(ExecutionBeat).max(4096).optional(),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

export const ResourceLimits = z.object({
  /** For people; `gpu_uuids` decides. */
  gpu_indices: z.array(z.string()),
  cpu_cores: z.number().positive(),
  /** Docker notation, `16g`. Memory and swap together. */
  ram_limit: z.string(),
  gpu_uuids: z.array(z.string()),
});

export const SshSpec = z.object({
  authorized_keys: z.array(z.string().max(8192)).max(64),
  /** OpenSSH PEM of the Ed25519 host key that the backend made for this rental. */
  host_private_key: z.string().max(4096),
});

/** What one instance should be. `remaining_s`: seconds left until its deadline when the message was sent; null = none. */
export const InstanceSpec = z.object({
  rental_id: Uuid,
  image: z.string().min(1).max(500),
  resource_limits: ResourceLimits,
  env_vars: z.record(z.string(), z.string()),
  /** Container port → public port on frps, e.g. `{"22": 20022}`. */
  proxy_port_mapping: z.record(z.string().regex(/^\d{1,5}$/), z.number().int().min(1).max(65535)),
  epoch: z.number().int().nonnegative(),
  spec_hash: z.string().regex(/^[0-9a-f]{64}$/),
  disk_gb: z.number().int().positive(),
  shm_mb: z.number().int().positive(),
  ssh: SshSpec.nullable(),
  /** Replaces the image's command; empty keeps it. */
  command: z.array(z.string().max(4096)).max(64),
  /** Shell text run once in the background after the first start; empty for none. */
  onstart: z.string().max(16_384),
  registry_auth: z.object({ username: z.string(), password: z.string(), server: z.string().optional() }).nullable(),
  lease_s: z.number().int().positive(),
  remaining_s: z.number().nonnegative().nullable(),
  /** Starts again on the disk that it left here: without that disk it fails (`disk_lost`), it never gets an empty one. */
  disk_kept: z.boolean().optional(),
});
export type InstanceSpec = z.infer<typeof InstanceSpec>;

export const StartInstance = InstanceSpec.extend({ generation: z.number().int().nonnegative() });
export type StartInstance = z.infer<typeof StartInstance>;

/**
 * An explicit order to remove. The only thing that ever deletes a container or a disk. With `keep_disk` the instance is stopped:
 * the agent keeps the disk, and the order, until the market starts the rental again or orders its disk away too.
 */
export const AbsentEntry = z.object({
  rental_id: Uuid,
  /** Comes back in the `gone` report. */
  epoch: z.number().int().nonnegative().default(0),
  reason: z.string().max(200),
  grace_s: z.number().int().nonnegative().max(600),
  keep_disk: z.boolean(),
});
export type AbsentEntry = z.infer<typeof AbsentEntry>;

export const DesiredState = z.object({
  cluster_id: Uuid,
  generation: z.number().int().nonnegative(),
  instances: z.array(InstanceSpec).max(512),
  absent: z.array(AbsentEntry).max(4096),
  draining: z.boolean(),
});
export type DesiredState = z.infer<typeof DesiredState>;

export const StopInstance = z.object({
  rental_id: Uuid,
  epoch: z.number().int().nonnegative().default(0),
  reason: z.string().max(200).default('stopped'),
  grace_s: z.number().int().nonnegative().max(600).default(10),
  keep_disk: z.boolean().default(false),
  generation: z.number().int().nonnegative().optional(),
});
export type StopInstance = z.infer<typeof StopInstance>;

export const DrainNode = z.object({
  reason: z.string().max(200).optional(),
  until: Timestamp.optional(),
  generation: z.number().int().nonnegative().optional(),
});

export const PullProgress = z.object({ current_bytes: z.number(), total_bytes: z.number(), layers_done: z.number().int(), layers: z.number().int() });

/**
 * One instance changed. `state: gone` releases the claim: the container, its mounts and its disk are no more. `stopped` releases
 * all of it but the disk.
 */
export const InstanceUpdate = z.object({
  rental_id: Uuid,
  epoch: z.number().int().nonnegative(),
  state: InstanceState,
  phase: RentalPhase.optional(),
  container_id: z.string().max(100).optional(),
  image_digest: z.string().max(200).optional(),
  progress: PullProgress.optional(),
  fault: InstanceFault.optional(),
  /** Milliseconds spent in each finished phase, on the agent's clock. */
  phase_ms: z.record(z.string(), z.number()).optional(),
});
export type InstanceUpdate = z.infer<typeof InstanceUpdate>;

/** Answer to the server's nonce: Ed25519 over `connectStatement(nonce, node_id)`. */
export const Challenge = z.object({ nonce: z.string().min(16).max(200), cluster_id: Uuid, server_time: Timestamp });
export const ChallengeAnswer = z.object({
  node_id: Uuid,
  signature: z.string().max(200),
  agent_version: z.string().max(50),
  boot_id: z.string().max(100),
  /** End of the tunnel token that the agent holds from this market; with a good one the next comes in its turn. */
  tunnel_token_expires_at: Timestamp.optional(),
});

/** The text an agent signs to prove its node key at connect. Domain-separated from enrolment. */
export const connectStatement = (nonce: string, nodeId: string): string => `muster-connect-v1\n${nonce}\n${nodeId}`;
/** The text an agent signs to prove its node key at enrolment. */
export const enrolStatement = (nonce: string, publicKey: string): string => `muster-enrol-v1\n${nonce}\n${publicKey}`;

export const Ack = z.object({ ok: z.literal(true) });
export const Nack = z.object({ ok: z.literal(false), problem: Problem });
const acked = <S extends z.ZodRawShape>(shape: S) => z.union([Ack.extend(shape), Nack]);

export const HeartbeatAck = acked({
  server_time: Timestamp,
  next_interval_ms: z.number().int().positive(),
  lease_s: z.number().int().positive(),
  /** The newest desired state the server has; a greater number than the agent's own means one is on its way. */
  generation: z.number().int().nonnegative(),
});

/** A place in an instance's output, as its agent wrote it. */
export const LogCursor = z.string().max(500);
export const LOG_WAIT_MS = 20_000;

interface Message {
  direction: 'agent_to_server' | 'server_to_agent' | 'both';
  payload: z.ZodType;
  ack: z.ZodType;
  since: number;
  /** Needs the signed nonce; a socket with only a host API key is refused with `not_proven`. */
  proven: boolean;
}

const plainAck = acked({});

/** `reason` of a goodbye whose machine takes its instances along: its rentals end now. Any other reason only says that the agent leaves. */
export const HOST_SHUTDOWN = 'host_shutdown';

export const agentMessages = {
  heartbeat: { direction: 'agent_to_server', payload: Heartbeat, ack: HeartbeatAck, since: 1, proven: false },
  inventory: { direction: 'agent_to_server', payload: z.object({ node_id: Uuid, inventory: Inventory }), ack: plainAck, since: 1, proven: true },
  instance_update: { direction: 'agent_to_server', payload: InstanceUpdate, ack: plainAck, since: 1, proven: true },
  task_update: { direction: 'agent_to_server', payload: TaskUpdate, ack: plainAck, since: 2, proven: true },
  task_results: { direction: 'agent_to_server', payload: TaskResults, ack: acked({ outcomes: z.array(ReportOutcome) }), since: 2, proven: true },
  goodbye: {
    direction: 'agent_to_server',
    payload: z.object({ node_id: Uuid, reason: z.string().max(200) }),
    ack: plainAck,
    since: 1,
    proven: true,
  },
  challenge: {
    direction: 'server_to_agent',
    payload: Challenge,
    ack: z.union([Ack.extend(ChallengeAnswer.shape), Nack]),
    since: 1,
    proven: false,
  },
  desired_state: { direction: 'server_to_agent', payload: DesiredState, ack: plainAck, since: 1, proven: true },
  start_instance: { direction: 'server_to_agent', payload: StartInstance, ack: plainAck, since: 1, proven: true },
  stop_instance: { direction: 'server_to_agent', payload: StopInstance, ack: plainAck, since: 1, proven: true },
  drain_node: { direction: 'server_to_agent', payload: DrainNode, ack: plainAck, since: 1, proven: true },
  /** Executions leased to this node. Sent again at every connect until they are reported: the agent knows them by id and attempt. */
  run_tasks: {
    direction: 'server_to_agent',
    payload: z.object({ executions: z.array(ExecutionSpec).min(1).max(JOB_LIMITS.executionsPerFrame) }),
    ack: plainAck,
    since: 2,
    proven: true,
  },
  cancel_tasks: { direction: 'server_to_agent', payload: CancelTasks, ack: plainAck, since: 2, proven: true },
  tunnel_token: {
    direction: 'server_to_agent',
    payload: z.object({ token: z.string().max(8192), expires_at: Timestamp }),
    ack: plainAck,
    since: 1,
    proven: true,
  },
  /**
   * The last lines; with `after` (a `cursor` of an earlier answer) only what came since then, and when that is nothing, the
   * answer waits for it up to `wait_ms`. `gap`: something between was overwritten before it was asked for.
   */
  log_request: {
    direction: 'server_to_agent',
    payload: z.object({ rental_id: Uuid, tail_lines: z.number().int().min(1).max(5000), after: LogCursor.optional(), wait_ms: z.number().int().min(0).max(LOG_WAIT_MS).optional() }),
    ack: acked({ text: z.string().max(1_000_000), truncated: z.boolean(), cursor: LogCursor.optional(), gap: z.boolean().optional() }),
    since: 1,
    proven: true,
  },
  /** Runs a command in an instance. Acked when it runs; then `exec_data` goes both ways until `exit` or `close`. */
  exec_open: { direction: 'server_to_agent', payload: ExecOpen, ack: plainAck, since: 3, proven: true },
  exec_data: { direction: 'both', payload: ExecData, ack: plainAck, since: 3, proven: true },
  exec_resize: { direction: 'server_to_agent', payload: ExecResize, ack: plainAck, since: 3, proven: true },
} as const satisfies Record<string, Message>;

export type AgentMessages = typeof agentMessages;
export type AgentMessageName = keyof AgentMessages;
type NamesBy<D extends Message['direction']> = {
  [K in AgentMessageName]: AgentMessages[K]['direction'] extends D | 'both' ? K : never;
}[AgentMessageName];
/** Messages the server handles. */
export type FromAgent = NamesBy<'agent_to_server'>;
/** Messages the agent handles. */
export type FromServer = NamesBy<'server_to_agent'>;
export type Payload<K extends AgentMessageName> = z.output<AgentMessages[K]['payload']>;
export type AckOf<K extends AgentMessageName> = z.output<AgentMessages[K]['ack']>;
