import { Injectable } from '@nestjs/common';
import { HEARTBEAT_INTERVAL_MS, LEASE_S, type AckOf, type Heartbeat } from '@muster/shared-types';
import { ExecutionBeats } from '../jobs/schedule/beats.js';
import { Clock } from '../platform/clock.js';
import { Coverage } from '../rentals/coverage.js';
import { TelemetryIngest } from '../telemetry/ingest.js';
import { HTTP_INTERVAL_MS } from './presence.rules.js';
import { Presence } from './presence.js';

export interface Beat {
  heartbeat: Heartbeat;
  /** Newest desired state that the caller knows of. */
  generation: bigint;
  /** Came over a socket that proved the node key: only then what it says of instances counts. */
  proven: boolean;
  /** Of a node that has no other way to speak: what it says of executions counts without a proof. */
  httpOnly?: boolean;
  via: 'socket' | 'http';
}

/** One heartbeat, over whichever edge it came. The caller has checked whose node it is. */
@Injectable()
export class Heartbeats {
  constructor(
    private readonly presence: Presence,
    private readonly coverage: Coverage,
    private readonly executions: ExecutionBeats,
    private readonly telemetry: TelemetryIngest,
    private readonly clock: Clock,
  ) {}

  async beat({ heartbeat, generation, proven, httpOnly, via }: Beat): Promise<AckOf<'heartbeat'>> {
    const at = this.clock.now();
    await this.presence.onBeat(heartbeat.node_id, at, via);
    this.telemetry.onBeat(heartbeat.node_id, heartbeat, at, proven);
    if (proven) await this.coverage.onBeat(heartbeat.node_id, heartbeat, at);
    if (proven || httpOnly) await this.executions.onBeat(heartbeat.node_id, heartbeat.executions, at, via);
    return {
      ok: true,
      server_time: at.toISOString(),
      next_interval_ms: via === 'http' ? HTTP_INTERVAL_MS : HEARTBEAT_INTERVAL_MS,
      lease_s: LEASE_S,
      generation: Number(generation),
    };
  }
}
