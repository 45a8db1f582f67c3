import type { Engine } from '../docker/types.js';
import type { Tunnels } from '../tunnel/types.js';
import type { Observed } from './plan.rules.js';

export interface InFlight {
  busy: ReadonlySet<string>;
  pulling: ReadonlySet<string>;
  notBefore: ReadonlyMap<string, number>;
  rootOverrun: ReadonlySet<string>;
  spoken: boolean;
  engineDownSince: number | null;
  bootS: number;
}

/** Everything the plan may know, read side by side. A dead engine gives `containers: null`, never an empty list. */
export async function observe(engine: Engine, tunnels: Tunnels, inFlight: InFlight): Promise<Observed> {
  const [containers, held, images, disks] = await Promise.all([
    engine.observe(),
    tunnels.observe(),
    imageRefs(engine),
    engine.listDisks(),
  ]);
  return {
    containers,
    tunnels: held,
    images,
    disks: new Set(disks.map((disk) => disk.rentalId)),
    busy: inFlight.busy,
    pulling: inFlight.pulling,
    notBefore: inFlight.notBefore,
    rootOverrun: inFlight.rootOverrun,
    spoken: inFlight.spoken,
    tunnelConnected: tunnels.connected(),
    engineDownS: inFlight.engineDownSince === null ? 0 : inFlight.bootS - inFlight.engineDownSince,
    bootS: inFlight.bootS,
  };
}

/** `name:latest` answers to `name` too, as Docker does. */
async function imageRefs(engine: Engine): Promise<Set<string>> {
  if (!engine.healthy()) return new Set();
  const images = await engine.listImages();
  return new Set(images.flatMap((image) => image.refs.flatMap((ref) => (ref.endsWith(':latest') ? [ref, ref.slice(0, -':latest'.length)] : [ref]))));
}
