import type { XidEvent } from '@muster/shared-types';
import { bootId, bootSeconds } from '../boot-clock.js';
import { type KernelLog, watchKernelLog } from './kernel-log.js';
import { type Xid, xidOf } from './xid.rules.js';

/** A fault is told with every heartbeat for so long: a heartbeat may be lost, and the market knows one fault by its number. */
const TOLD_FOR_S = 600;
const MOST = 64;

/** The driver's faults of the last minutes, from the kernel's log. */
export class XidWatch {
  private recent: Xid[] = [];
  private log: KernelLog | undefined;

  /** `onXid`: one has just happened. */
  constructor(private readonly onXid: () => void) {}

  async start(): Promise<void> {
    this.log = await watchKernelLog((record) => {
      const xid = xidOf(record);
      if (xid === null || bootSeconds() - xid.bootS > TOLD_FOR_S) return;
      this.recent = [...this.recent, xid].slice(-MOST);
      this.onXid();
    });
  }

  /** `buses`: where each GPU sits. What happened to something else is left out. */
  events(buses: ReadonlyMap<string, string>): XidEvent[] {
    const nowS = bootSeconds();
    this.recent = this.recent.filter(({ bootS }) => nowS - bootS <= TOLD_FOR_S);
    return this.recent.flatMap(({ seq, xid, bus, bootS }) => {
      const gpu_uuid = buses.get(bus);
      return gpu_uuid === undefined ? [] : [{ seq, boot_id: bootId(), xid, gpu_uuid, ago_s: Math.max(0, nowS - bootS) }];
    });
  }

  async stop(): Promise<void> {
    await this.log?.stop();
  }
}
