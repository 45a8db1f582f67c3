import { z } from 'zod';
import { NodeLifecycle, NodeListing, NodePresence, NodeStatus, RentalEndReason, RentalPhase, RentalStatus } from '../enums.js';
import { JobSummary } from '../entities/job.js';
import { Fault } from '../entities/rental.js';
import { Timestamp, UsdString, Uuid } from '../units.js';
import { NotificationView } from '../api/notifications.js';
import { Ack, GpuSample, HeartbeatMetrics, InstanceBeat, Nack, PullProgress } from './agent.js';
import { ExecCommand, ExecData, ExecResize, ExecStreamId } from './exec.js';

/**
 * The socket for browsers and programs: Socket.IO namespace `/live`, websocket only, `auth: { ticket }` (one use, from
 * `POST /api/v1/live/tickets`). Requests are `emit(name, data, ack)` and always acked with `{ok:true, …}` or
 * `{ok:false, problem}`. What happens comes as frames of the rooms that were subscribed to.
 *
 * A frame tells of a change; the truth is what the API answers. Frames of a room carry consecutive numbers. Who comes back
 * subscribes with the last number it has (`since`) and gets what it missed, or `resync: true`: then ask the API anew.
 */
export const LIVE_NAMESPACE = '/live';
/** Server → client: a `LiveFrame`. */
export const LIVE_FRAME = 'frame';
/** Server → client: `{room, seq}`; frames of this room were lost, go on from `seq` after asking the API. */
export const LIVE_RESYNC = 'resync';

export const LIVE_LIMITS = {
  roomsPerSocket: 200,
  /** Frames that a room remembers. */
  ringFrames: 512,
  /** How long after its last listener a room remembers. */
  ringMs: 120_000,
  ticketLifeS: 30,
} as const;

const ID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** `user:me` · `rental:<id>` · `node:<id>` · `job:<id>` · `market`. */
export const LiveRoom = z.string().regex(new RegExp(`^(?:user:me|market|(?:rental|node|job):${ID})$`), 'must be user:me, market, rental:<id>, node:<id> or job:<id>');
export type LiveRoom = z.infer<typeof LiveRoom>;

export const RentalChange = z.object({
  rental_id: Uuid,
  node_id: Uuid,
  status: RentalStatus,
  phase: RentalPhase.nullable(),
  phase_ms: z.record(z.string(), z.number()),
  start_time: Timestamp.nullable(),
  end_time: Timestamp.nullable(),
  end_reason: RentalEndReason.nullable(),
  fault: Fault.nullable(),
  released: z.boolean(),
});
export type RentalChange = z.infer<typeof RentalChange>;

export const NodeChange = z.object({
  node_id: Uuid,
  name: z.string(),
  status: NodeStatus,
  lifecycle: NodeLifecycle,
  presence: NodePresence,
  listing: NodeListing,
  used: z.object({ cpu_cores: z.number().int(), ram_mb: z.number().int(), disk_gb: z.number().int(), gpus: z.number().int() }),
});
export type NodeChange = z.infer<typeof NodeChange>;

export const JobChange = JobSummary.pick({ status: true, started_at: true, completed_at: true, progress: true, fault: true, waiting_for: true, paid_usd: true }).extend({ job_id: Uuid });
export type JobChange = z.infer<typeof JobChange>;

export const BalanceChange = z.object({ balance_usd: UsdString, earnings_usd: UsdString, zero_at: Timestamp.nullable() });
export type BalanceChange = z.infer<typeof BalanceChange>;

/** What one heartbeat said of an instance, and of the GPUs that it holds. */
export const InstanceMetrics = z.object({ rental_id: Uuid, instance: InstanceBeat, gpus: z.array(GpuSample) });
export type InstanceMetrics = z.infer<typeof InstanceMetrics>;

export const NodeMetrics = z.object({ node_id: Uuid, status: NodeStatus, metrics: HeartbeatMetrics });
export type NodeMetrics = z.infer<typeof NodeMetrics>;

/** Kind of room → event → what it carries. Metrics are samples: of all others the newest is the truth. */
export const liveEvents = {
  rental: { rental_changed: RentalChange, rental_progress: z.object({ rental_id: Uuid, progress: PullProgress }), metrics: InstanceMetrics },
  node: { node_changed: NodeChange, metrics: NodeMetrics },
  job: { job_changed: JobChange },
  /** Everything of one account; a page that shows one thing subscribes to that thing's room too. */
  user: { rental_changed: RentalChange, node_changed: NodeChange, job_changed: JobChange, balance_changed: BalanceChange, notification: NotificationView.omit({ read_at: true }) },
  /** Offers came, went or changed: search again. `version` differs whenever something differs. */
  market: { offers_changed: z.object({ listed_nodes: z.number().int(), online_nodes: z.number().int(), version: z.string().max(100) }) },
} as const satisfies Record<string, Record<string, z.ZodType>>;

export type LiveEvents = typeof liveEvents;
export type LiveRoomKind = keyof LiveEvents;
export type LiveEventName<K extends LiveRoomKind = LiveRoomKind> = K extends LiveRoomKind ? keyof LiveEvents[K] & string : never;
export type LiveData<K extends LiveRoomKind, E extends keyof LiveEvents[K]> = LiveEvents[K][E] extends z.ZodType ? z.output<LiveEvents[K][E]> : never;

export const LiveFrame = z.object({ room: LiveRoom, seq: z.number().int().nonnegative(), at: Timestamp, event: z.string().max(100), data: z.unknown() });
export type LiveFrame = z.infer<typeof LiveFrame>;

/** What kind of room a name stands for. */
export const roomKind = (room: LiveRoom): LiveRoomKind => room.split(':', 1)[0] as LiveRoomKind;

const acked = <S extends z.ZodRawShape>(shape: S) => z.union([Ack.extend(shape), Nack]);

interface LiveMessage {
  payload: z.ZodType;
  ack: z.ZodType;
  /** Whose thing it names: the test that tries every message with a wrong account reads it. */
  owner: 'room' | 'rental' | 'stream';
  /** The key's scope that it needs; a session has all. */
  scope: 'read' | 'rent';
}

/** Client → server. `exec_data` and `exec_resize` of a stream come from the server under the same names. */
export const liveMessages = {
  /** `seq`: the newest frame that was delivered; the next has `seq + 1`. */
  subscribe: {
    payload: z.object({ room: LiveRoom, since: z.number().int().nonnegative().optional() }),
    ack: acked({ room: LiveRoom, seq: z.number().int().nonnegative(), resync: z.boolean() }),
    owner: 'room',
    scope: 'read',
  },
  unsubscribe: { payload: z.object({ room: LiveRoom }), ack: acked({}), owner: 'room', scope: 'read' },
  exec_open: { payload: ExecCommand, ack: acked({ stream_id: ExecStreamId }), owner: 'rental', scope: 'rent' },
  exec_data: { payload: ExecData, ack: acked({}), owner: 'stream', scope: 'rent' },
  exec_resize: { payload: ExecResize, ack: acked({}), owner: 'stream', scope: 'rent' },
} as const satisfies Record<string, LiveMessage>;

export type LiveMessages = typeof liveMessages;
export type LiveMessageName = keyof LiveMessages;
export type LivePayload<K extends LiveMessageName> = z.output<LiveMessages[K]['payload']>;
export type LiveAck<K extends LiveMessageName> = z.output<LiveMessages[K]['ack']>;
