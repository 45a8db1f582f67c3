import type { Logger } from 'pino';
import type { Engine } from '../docker/types.js';
import type { DesiredStore } from './desired-store.js';

export interface InstanceUse {
  cpu_percent: number | null;
  ram_used_mb: number;
  disk_used_mb: number | null;
  rx_bytes: number | null;
  tx_bytes: number | null;
}

interface Chore {
  everyS: number;
  dueS: number;
  running: boolean;
  work: () => Promise<void>;
}

const COLLECT_BELOW_FREE = 0.2;

/**
 * What is done beside the loop from time to time: each chore alone, never two of the same at once, and none of them
 * holds up a pass: a slow `du` must not make a deadline late.
 */
export class Upkeep {
  /** Rentals over their share of the root file system, as of the last look. */
  rootOverrun: ReadonlySet<string> = new Set();
  /** What instances use, for heartbeats. */
  use: ReadonlyMap<string, InstanceUse> = new Map();
  private readonly chores: Chore[];
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    private readonly engine: Engine,
    private readonly store: DesiredStore,
    private readonly poolBytes: number,
    private readonly log: Logger,
    private readonly wake: () => void,
  ) {
    const chore = (everyS: number, work: () => Promise<void>, dueS = 0): Chore => ({ everyS, dueS, running: false, work });
    this.chores = [
      chore(5, () => this.fence()),
      chore(3, () => this.watchRoot()),
      // Well within the interval of heartbeats: each of them has a new sample.
      chore(4, () => this.measure()),
      chore(600, () => this.collect(), Infinity),
    ];
  }

  /** Starts what is due. Never waits. */
  tick(bootS: number): void {
    for (const chore of this.chores) {
      if (chore.dueS === Infinity) chore.dueS = bootS + chore.everyS;
      if (chore.running || bootS < chore.dueS) continue;
      chore.dueS = bootS + chore.everyS;
      chore.running = true;
      const done = chore.work().catch((error: unknown) => this.log.error({ err: error }, 'upkeep of the machine failed; trying again'));
      const finished = done.finally(() => {
        chore.running = false;
        this.underWay.delete(finished);
      });
      this.underWay.add(finished);
    }
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.underWay);
  }

  private async fence(): Promise<void> {
    if (await this.engine.ensureFirewall()) this.log.warn('firewall rules were missing and have been put back');
  }

  private async watchRoot(): Promise<void> {
    if (!this.engine.healthy()) return;
    const over = (await this.engine.rootUsage()).filter((one) => one.over).map((one) => one.rentalId);
    this.rootOverrun = new Set(over);
    if (over.length > 0) this.wake();
  }

  private async measure(): Promise<void> {
    if (!this.engine.healthy()) return;
    const ids = Object.values(this.store.doc.instances).filter((one) => one.fault === null).map((one) => one.spec.rental_id);
    const uses = await Promise.all(ids.map(async (id): Promise<[string, InstanceUse] | null> => {
      const [stats, disk] = await Promise.all([this.engine.instanceStats(id), this.engine.diskUse(id)]);
      if (stats === null) return null;
      const net = { rx_bytes: stats.net?.rx ?? null, tx_bytes: stats.net?.tx ?? null };
      return [id, { cpu_percent: stats.cpuPercent, ram_used_mb: stats.ramUsedMb, disk_used_mb: disk && Math.round(disk.usedBytes / 1e6), ...net }];
    }));
    this.use = new Map(uses.filter((one) => one !== null));
  }

  /** Images nobody uses go when room gets short, so that the popular ones stay for the next start. */
  private async collect(): Promise<void> {
    const { poolBytes } = await this.engine.diskFree();
    if (poolBytes > this.poolBytes * COLLECT_BELOW_FREE) return;
    const removed = await this.engine.collectImages(this.store.wantedImages());
    if (removed.length > 0) this.log.info({ images: removed }, 'unused images were removed');
  }
}
