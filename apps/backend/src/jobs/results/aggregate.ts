import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { z } from 'zod';
import { Config } from '../../config.js';
import { Singletons, type SingletonLoop } from '../../platform/leases.js';
import { Redis } from '../../platform/redis.js';
import { ResultWork } from './result-work.js';

/** All open jobs are looked at this often; those that something was decided of, at once. */
const SAFETY_PASS_MS = 3_000;
/** While results come in by the thousand, looks at them are this far apart. */
const REST_MS = 100;
const CHANNEL = 'job-results-wake';
const Ids = z.array(z.uuid());

/**
 * What happens to results once tasks are final: archives are looked through, aggregates are made. A loop on one replica,
 * so that nothing of it stands in the way of votes; what a crash leaves is found again in the rows.
 */
@Injectable()
export class Aggregates implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #log = new Logger('Aggregates');
  readonly #decided = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #loop: SingletonLoop | undefined;
  #lookedAtAllMs = -Infinity;

  constructor(
    private readonly config: Config,
    private readonly singletons: Singletons,
    private readonly redis: Redis,
    private readonly work: ResultWork,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.has('scheduler')) return;
    this.#loop = this.singletons.every({ name: 'job-results', everyMs: SAFETY_PASS_MS, run: (signal) => this.#pass(signal) });
    void this.redis.subscribe(CHANNEL, (message) => this.#heard(message));
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#loop?.stop();
  }

  /** Call it after the commit that made tasks final. Any number of times; losing it costs seconds. */
  afterTasksFinal(jobIds: readonly string[]): void {
    for (const id of jobIds) this.#decided.add(id);
    if (jobIds.length > 0) this.#timer ??= setTimeout(() => this.#tell(), REST_MS);
  }

  /** The loop may be another replica's, so everybody is told, this process first. */
  #tell(): void {
    this.#timer = undefined;
    this.#loop?.wake();
    const message = JSON.stringify([...this.#decided]);
    if (!this.#loop) this.#decided.clear();
    this.redis.publish(CHANNEL, message).catch(() => this.#log.debug('wake not sent: the safety pass will find the jobs'));
  }

  #heard(message: string): void {
    for (const id of Ids.catch([]).parse(parsed(message))) this.#decided.add(id);
    this.#loop?.wake();
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const only = [...this.#decided];
    this.#decided.clear();
    if (now - this.#lookedAtAllMs < SAFETY_PASS_MS) return await this.work.pass(signal, only);
    await this.work.pass(signal);
    this.#lookedAtAllMs = now;
  }
}

function parsed(message: string): unknown {
  try {
    return JSON.parse(message);
  } catch {
    return [];
  }
}
