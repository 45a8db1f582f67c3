import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram } from 'prom-client';
import { Db } from '../../platform/db.js';
import { Metrics } from '../../platform/metrics.js';
import { jobsByStatus } from '../../platform/status-counts.js';
import type { Effects } from './effects.rules.js';

/** Figures of verified work, under the names that dashboards of batch systems know. */
@Injectable()
export class TallyMetrics {
  readonly #duration: Histogram;
  readonly #consensus: Counter;
  readonly #ended: Counter;

  constructor(metrics: Metrics, db: Db) {
    const registers = [metrics.registry];
    this.#duration = new Histogram({
      name: 'job_execution_duration_seconds', help: 'Run time of executions, as their nodes state it', buckets: [0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600], registers,
    });
    this.#consensus = new Counter({ name: 'verification_consensus_reached', help: 'Tasks on whose result enough nodes agreed', registers });
    this.#ended = new Counter({ name: 'muster_executions_ended_total', help: 'Executions that ended, by what they came to', labelNames: ['status'], registers });
    const jobs: Gauge = new Gauge({
      name: 'jobs_total', help: 'Jobs by status', labelNames: ['status'], registers,
      collect: async () => {
        const counts = await jobsByStatus(db).catch(() => ({}));
        jobs.reset();
        for (const [status, count] of Object.entries(counts)) jobs.set({ status }, count);
      },
    });
  }

  count(effects: Effects): void {
    for (const run of effects.ended) {
      this.#ended.inc({ status: run.status });
      if (run.durationMs !== null) this.#duration.observe(run.durationMs / 1_000);
    }
    const final = effects.decided.filter((task) => task.status === 'final').length;
    if (final > 0) this.#consensus.inc(final);
  }
}
