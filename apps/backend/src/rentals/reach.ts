import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import type { Prisma } from '@muster/prisma';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { FailStart } from './fail-start.js';
import { answers, provesHostKey, type Door } from './handshake.js';
import { MarkRunning } from './mark-running.js';
import { RentalConnection, RentalSpec } from './rental-spec.js';
import { PHASE_LIMIT_S, PHASE_TIMEOUT_WORDS } from './rental.rules.js';

const AGAIN_MS = 75;
const LOOK_EVERY = 10;

const probed = { node: { select: { tunnelServer: { select: { probeHost: true } } } } } satisfies Prisma.RentalInclude;
type Probed = Prisma.RentalGetPayload<{ include: typeof probed }>;

/**
 * Finds out whether an instance can be reached from outside, through its public port, the way its renter will: only then
 * it runs, and only then it costs. One prober per rental and process; two processes that probe the same one do no harm,
 * since a single conditional update decides.
 */
@Injectable()
export class Reach implements BeforeApplicationShutdown {
  readonly #log = new Logger('Reach');
  readonly #probing = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly failStart: FailStart,
    private readonly markRunning: MarkRunning,
  ) {}

  /** Probes in the background until it is reached, failed, or no longer starting. */
  begin(rentalId: string): void {
    if (this.#probing.has(rentalId) || this.#stop.signal.aborted) return;
    const probing = this.#probe(rentalId)
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted) this.#log.error({ err: error, rental_id: rentalId }, 'probing broke off; the sweeper takes it up again');
      })
      .finally(() => this.#probing.delete(rentalId));
    this.#probing.set(rentalId, probing);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#probing.values());
  }

  async #probe(rentalId: string): Promise<void> {
    const rental = await this.#starting(rentalId);
    if (!rental) return;
    const began = performance.now();
    const overdueAt = (rental.phaseSince ?? rental.createdAt).getTime() + PHASE_LIMIT_S.probing * 1_000;
    for (let attempt = 1; !this.#stop.signal.aborted; attempt += 1) {
      if (await isReached(rental, this.#stop.signal)) return void (await this.markRunning.run(rentalId, performance.now() - began));
      if (this.clock.now().getTime() >= overdueAt) return void (await this.failStart.run(rental, { code: 'port_not_answering', message: PHASE_TIMEOUT_WORDS.probing }));
      if (attempt % LOOK_EVERY === 0 && !(await this.#starting(rentalId))) return;
      await sleep(AGAIN_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  /** Null when there is nothing to probe any more. */
  async #starting(rentalId: string): Promise<Probed | null> {
    const rental = await this.db.client.rental.findUnique({ where: { id: rentalId }, include: probed });
    return rental?.status === 'starting' ? rental : null;
  }
}

/** SSH decides where the template has it, else its ready port. A template that serves nothing is reached when it runs. */
async function isReached(rental: Probed, signal: AbortSignal): Promise<boolean> {
  const spec = RentalSpec.parse(rental.spec);
  const { host: publicHost, ports } = RentalConnection.parse(rental.connectionInfo);
  const host = rental.node.tunnelServer?.probeHost ?? publicHost;
  const door = (containerPort: number | string | undefined): Door | undefined => {
    const port = ports[String(containerPort)];
    return port === undefined ? undefined : { host, port };
  };
  const ssh = spec.ssh ? door(22) : undefined;
  if (ssh) return rental.sshHostKey !== null && (await provesHostKey(ssh, rental.sshHostKey, signal));
  const ready = door(spec.ready_port ?? Object.keys(ports)[0]);
  return ready ? await answers(ready, signal) : true;
}
