import { Injectable } from '@nestjs/common';
import { formatUsd, ok, type JobQuote, type JobSubmission, type Result } from '@muster/shared-types';
import { PlanJob } from './plan.js';

/** What a job could cost at most and where it could run. Writes nothing. */
@Injectable()
export class QuoteJob {
  constructor(private readonly plan: PlanJob) {}

  async run(userId: string, body: JobSubmission): Promise<Result<JobQuote>> {
    const planned = await this.plan.run(userId, body);
    if (!planned.ok) return planned;
    const { draft, tasks, fit, price, waitingFor, warnings } = planned.value;
    return ok({
      tasks: tasks.length,
      nodes_fitting: fit.ratesByNode.length,
      owners_fitting: fit.ratesByOwner.length,
      nodes_free_now: fit.nodesFreeNow,
      dph_per_execution: formatUsd(price.rateCapMicroHour),
      max_charge_usd: formatUsd(price.holdMicro),
      distinct_by: draft.distinctBy,
      can_start: waitingFor === null,
      waiting_for: waitingFor,
      warnings,
    });
  }
}
