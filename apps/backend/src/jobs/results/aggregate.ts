import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../../config.js';
import { Singletons, type SingletonLoop } from '../../platform/leases.js';
import { Redis } from '../../platform/redis.js';
import { ResultWork } from './result-work.js';

const SAFETY_PASS_MS = 3_000;
const CHANNEL = 'job-results-wake';

/**
 * What happens to results once tasks are final: archives are looked through, aggregates are made. A loop on one replica,
 * so that nothing of it stands in the way of votes; what a crash leaves is found again in the rows.
 */
@Injectable()
export class Aggregates implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #log = new Logger('Aggregates');
  #loop: SingletonLoop | undefined;

  constructor(
    private readonly config: Config,
    private readonly singletons: Singletons,
    private readonly redis: Redis,
    private readonly work: ResultWork,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.has('scheduler')) return;
    this.#loop = this.singletons.every({ name: 'job-results', everyMs: SAFETY_PASS_MS, run: (signal) => this.work.pass(signal) });
    void this.redis.subscribe(CHANNEL, () => this.#loop?.wake());
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Call it after the commit that made tasks final. Any number of times; losing it costs seconds. */
  afterTasksFinal(jobIds: readonly string[]): void {
    if (jobIds.length === 0) return;
    this.#loop?.wake();
    this.redis.publish(CHANNEL, '').catch(() => this.#log.debug('wake not sent: the safety pass will find the jobs'));
  }
}
