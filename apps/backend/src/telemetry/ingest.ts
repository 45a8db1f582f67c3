import { Injectable, Logger } from '@nestjs/common';
import type { Heartbeat, HeartbeatMetrics } from '@muster/shared-types';
import { NodeHealth } from './health.js';
import { KnownNodes } from './known-nodes.js';
import { sampled, type Counters, type KnownNode } from './points.rules.js';
import { Telemetry } from './telemetry.port.js';

/** Counters of a node that is silent for longer say nothing; they are forgotten when there are many. */
const FORGET_S = 600;
const MOST_NODES = 50_000;

/** Heartbeats into points and judgements. Returns at once and never throws: no heartbeat waits for a chart. */
@Injectable()
export class TelemetryIngest {
  readonly #log = new Logger('Telemetry');
  readonly #counters = new Map<string, Counters>();

  constructor(
    private readonly telemetry: Telemetry,
    private readonly known: KnownNodes,
    private readonly health: NodeHealth,
  ) {}

  /** `proven`: over a socket that proved the node key; only then instances count. */
  onBeat(nodeId: string, heartbeat: Pick<Heartbeat, 'metrics' | 'instances'>, at: Date, proven: boolean): void {
    const beat = { metrics: heartbeat.metrics, ...(proven && heartbeat.instances ? { instances: heartbeat.instances } : {}) };
    const known = this.known.of(nodeId, beat);
    if (known instanceof Promise) known.then((node) => this.#take(node, beat, at, proven)).catch((error: unknown) => this.#log.warn({ err: error }, 'a heartbeat is missing in the charts'));
    else this.#take(known, beat, at, proven);
  }

  #take(node: KnownNode, beat: Pick<Heartbeat, 'metrics' | 'instances'>, at: Date, proven: boolean): void {
    const atS = Math.floor(at.getTime() / 1_000);
    if (proven) this.health.onBeat(node.nodeId, ofKnownDevices(node, beat.metrics), at);
    const { points, counters } = sampled(node, beat, atS, this.#counters.get(node.nodeId));
    this.telemetry.write(points);
    if (this.#counters.size >= MOST_NODES) this.#forget(atS);
    this.#counters.set(node.nodeId, counters);
  }

  #forget(nowS: number): void {
    for (const [nodeId, { atS }] of this.#counters) if (nowS - atS > FORGET_S) this.#counters.delete(nodeId);
    if (this.#counters.size >= MOST_NODES) this.#counters.clear();
  }
}

/** Whoever invents devices must not invent findings with them. */
function ofKnownDevices({ models }: KnownNode, metrics: HeartbeatMetrics): HeartbeatMetrics {
  const gpus = metrics.gpus?.filter(({ uuid }) => models.has(uuid));
  const xids = metrics.xids?.filter(({ gpu_uuid }) => models.has(gpu_uuid));
  return { ...metrics, ...(gpus && { gpus }), ...(xids && { xids }) };
}
