import type { InstanceSpec } from '@muster/shared-types';
import type { Engine } from '../docker/types.js';
import type { DesiredDoc } from './desired.rules.js';
import type { Observed } from './plan.rules.js';
import { isUp } from './status.rules.js';

const SSH_BANNER = 'SSH-';
const PROBE_EVERY_S = 1;
const PROBE_TIMEOUT_MS = 2_000;

interface Door {
  sinceS: number;
  nextS: number;
  answered: boolean;
  probing: boolean;
}

/**
 * Whether somebody is behind the ports of an instance that has just come up. The market decides what runs; this only
 * lets the host say early, and in better words, that nobody will ever answer. An instance that has answered once, and
 * one that an earlier agent started, is not asked.
 */
export class DoorWatch {
  private readonly doors = new Map<string, Door>();

  constructor(private readonly engine: Engine) {}

  /** Seconds of silence of those that have not answered yet. */
  silentS(bootS: number): ReadonlyMap<string, number> {
    return new Map([...this.doors].filter(([, door]) => !door.answered).map(([id, door]) => [id, bootS - door.sinceS]));
  }

  tick(desired: DesiredDoc, observed: Observed): void {
    for (const one of Object.values(desired.instances)) {
      const { rental_id: id, proxy_port_mapping: ports } = one.spec;
      if (!observed.made.has(id) || Object.keys(ports).length === 0) this.doors.delete(id);
      else if (isUp(one, observed)) this.ask(one.spec, observed.bootS);
      else if (this.doors.get(id)?.answered === false) this.doors.delete(id);
    }
    for (const id of this.doors.keys()) if (!desired.instances[id]) this.doors.delete(id);
  }

  private ask(spec: InstanceSpec, bootS: number): void {
    const door = this.doors.get(spec.rental_id) ?? { sinceS: bootS, nextS: bootS, answered: false, probing: false };
    this.doors.set(spec.rental_id, door);
    if (door.answered || door.probing || bootS < door.nextS) return;
    door.probing = true;
    door.nextS = bootS + PROBE_EVERY_S;
    void this.answers(spec)
      .then((answered) => (door.answered = answered), () => undefined)
      .finally(() => (door.probing = false));
  }

  /** SSH proves itself with its banner; of other ports one is enough, as only the market knows which one counts. */
  private async answers(spec: InstanceSpec): Promise<boolean> {
    const { rental_id: id } = spec;
    if (spec.ssh) return this.engine.probePort(id, 22, { banner: SSH_BANNER, timeoutMs: PROBE_TIMEOUT_MS });
    const ports = Object.keys(spec.proxy_port_mapping).map(Number);
    const answers = await Promise.all(ports.map((port) => this.engine.probePort(id, port, { timeoutMs: PROBE_TIMEOUT_MS })));
    return answers.includes(true);
  }
}
