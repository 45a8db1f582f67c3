import type { Inventory } from '@muster/shared-types';
import type { Engine } from '../docker/types.js';
import { AGENT_VERSION } from '../version.js';
import type { GpuWatch } from './gpu-watch.js';
import { buildInventory } from './inventory.rules.js';
import { readMachine, toolVersion } from './machine.js';
import { preflight } from './preflight.rules.js';
import type { OfferShare } from './offer-share.rules.js';
import type { PreflightPolicy } from './preflight-facts.js';

export interface CollectOptions {
  engine: Engine;
  gpus: GpuWatch;
  share: OfferShare;
  poolBytes: number;
  frpcPath: string;
  policy: PreflightPolicy;
  /** This clock minus the market's, in seconds; null before the market has told its time. */
  clockOffsetS: number | null;
  /** Words its owner declares. */
  capabilities: readonly string[];
}

/** Measures the machine and its engine once. */
export async function collectInventory(options: CollectOptions): Promise<Inventory> {
  const { engine, gpus, share, poolBytes, frpcPath, policy, clockOffsetS, capabilities } = options;
  const [machine, facts, images, free, frpc] = await Promise.all([
    readMachine(),
    engine.facts(),
    engine.healthy() ? engine.listImages() : [],
    engine.diskFree(),
    toolVersion(frpcPath, '--version'),
  ]);
  const records = preflight(
    {
      machine,
      gpus: gpus.latest(),
      engine: facts,
      engineWeaknesses: engine.weaknesses,
      diskKind: engine.config.externalHost ? 'none' : 'loopback',
      disk: { poolBytes, poolFreeBytes: free.poolBytes, hostFreeBytes: free.hostBytes },
      frpc,
      now_ms: Date.now(),
      clock_offset_s: clockOffsetS,
    },
    policy,
  );
  const refs = images.flatMap((image) => image.refs.flatMap(namesOf));
  const words = [...(engine.jobHost?.gvisor === true ? ['runtime:gvisor'] : []), ...capabilities];
  return buildInventory({ machine, share, gpus: gpus.latest(), engine: facts, poolBytes, images: refs, capabilities: words, preflight: records, agent_version: AGENT_VERSION });
}

const LATEST = ':latest';
const LOCAL_PREFIX = 'muster/';

/** Every name under which an image may be asked for: `muster/workspace:latest`, `muster/workspace`, `workspace`. */
function namesOf(ref: string): string[] {
  if (!ref.endsWith(LATEST)) return [ref];
  const name = ref.slice(0, -LATEST.length);
  return name.startsWith(LOCAL_PREFIX) ? [ref, name, name.slice(LOCAL_PREFIX.length)] : [ref, name];
}
