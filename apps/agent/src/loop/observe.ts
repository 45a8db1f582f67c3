import type { Engine, ObservedInstance } from '../docker/types.js';
import type { Tunnels } from '../tunnel/types.js';
import type { DesiredDoc } from './desired.rules.js';
import type { Observed } from './plan.rules.js';

/** What the loop itself knows; everything else is looked up. */
export type InFlight = Omit<Observed, 'containers' | 'tunnels' | 'images' | 'disks' | 'tunnelConnected' | 'engineDownS'>;

/** An engine that has not answered for so long counts as not answering; the question stays open. */
const ENGINE_ANSWER_MS = 5_000;

/** Looks at the machine. A dead engine gives `containers: null`, never an empty list. */
export class Observer {
  private asked: Promise<ObservedInstance[] | null> | null = null;
  private downSince: number | null = null;

  constructor(
    private readonly engine: Engine,
    private readonly tunnels: Tunnels,
  ) {}

  async look(desired: DesiredDoc, inFlight: InFlight): Promise<Observed> {
    const [containers, tunnels, disks] = await Promise.all([this.containers(), this.tunnels.observe(), this.engine.listDisks()]);
    this.downSince = containers === null ? (this.downSince ?? inFlight.bootS) : null;
    return {
      ...inFlight,
      containers,
      tunnels,
      images: containers === null ? new Set() : await this.imagesFor(desired, containers),
      disks: new Set(disks.map((disk) => disk.rentalId)),
      tunnelConnected: this.tunnels.connected(),
      engineDownS: this.downSince === null ? 0 : inFlight.bootS - this.downSince,
    };
  }

  /** One question at a time, so that an engine that hangs does not collect them. */
  private containers(): Promise<ObservedInstance[] | null> {
    if (!this.engine.healthy()) return Promise.resolve(null);
    this.asked ??= this.engine.observe().finally(() => (this.asked = null));
    return orNullAfter(this.asked, ENGINE_ANSWER_MS);
  }

  /** Of the images that somebody waits for, those that are here, by Docker's own reading of the reference. */
  private async imagesFor(desired: DesiredDoc, containers: readonly ObservedInstance[]): Promise<Set<string>> {
    const there = new Set(containers.map((container) => container.rentalId));
    const waiting = Object.values(desired.instances).filter((one) => one.fault === null && !there.has(one.spec.rental_id));
    const refs = [...new Set(waiting.map((one) => one.spec.image))];
    const present = await Promise.all(refs.map((ref) => orNullAfter(this.engine.hasImage(ref), ENGINE_ANSWER_MS)));
    return new Set(refs.filter((_, index) => present[index]));
  }
}

function orNullAfter<T>(work: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, ms, null)));
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
