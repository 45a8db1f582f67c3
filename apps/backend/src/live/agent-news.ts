import { Injectable, Logger } from '@nestjs/common';
import type { Heartbeat, InstanceUpdate } from '@muster/shared-types';
import { Db } from '../platform/db.js';
import { rentalPlace } from './live-rows.store.js';
import { Live } from './live.js';
import { Watch } from './watch.js';

/** A rental does not move, its GPUs change at a restart only. */
const PLACE_KEPT_MS = 30_000;
const MAX_PLACES = 5_000;

interface Place {
  nodeId: string;
  gpuUuids: readonly string[];
  atMs: number;
}

/** What agents say, for those who look. Of rentals a node is heard only about those that are on it. */
@Injectable()
export class AgentNews {
  readonly #log = new Logger('AgentNews');
  readonly #places = new Map<string, Promise<Place | undefined>>();

  constructor(
    private readonly db: Db,
    private readonly live: Live,
    private readonly watch: Watch,
  ) {}

  /** A proven heartbeat. While nobody looks at this node or an instance on it, this costs a look into a map. */
  heartbeat(nodeId: string, beat: Heartbeat): void {
    if (this.live.isSilent) return;
    const room = ['node', nodeId] as const;
    if (this.live.wants(room)) void this.live.publish(room, 'metrics', { node_id: nodeId, status: beat.status, metrics: beat.metrics });
    for (const instance of beat.instances ?? []) {
      if (this.live.wants(['rental', instance.rental_id])) this.#aside(this.#instance(nodeId, beat, instance));
    }
  }

  /** An `instance_update` that was taken. */
  instance(update: InstanceUpdate): void {
    if (this.live.isSilent) return;
    const { rental_id: id, progress } = update;
    if (progress && this.live.wants(['rental', id])) void this.live.publish(['rental', id], 'rental_progress', { rental_id: id, progress });
    this.watch.hint('rental', id);
  }

  async #instance(nodeId: string, beat: Heartbeat, instance: NonNullable<Heartbeat['instances']>[number]): Promise<void> {
    const place = await this.#place(instance.rental_id);
    if (place?.nodeId !== nodeId) return;
    const gpus = (beat.metrics.gpus ?? []).filter((gpu) => place.gpuUuids.includes(gpu.uuid));
    await this.live.publish(['rental', instance.rental_id], 'metrics', { rental_id: instance.rental_id, instance, gpus });
  }

  async #place(rentalId: string): Promise<Place | undefined> {
    const known = await this.#places.get(rentalId);
    if (known && performance.now() - known.atMs < PLACE_KEPT_MS) return known;
    if (this.#places.size >= MAX_PLACES) this.#places.clear();
    const found = rentalPlace(this.db.client, rentalId).then((place) => (place ? { ...place, atMs: performance.now() } : undefined));
    this.#places.set(rentalId, found.catch(() => undefined));
    return await found;
  }

  #aside(work: Promise<void>): void {
    work.catch((error: unknown) => this.#log.debug(`a sample was not told: ${String(error)}`));
  }
}
