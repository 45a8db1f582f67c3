import { Injectable } from '@nestjs/common';
import { DEFAULT_PRICES, fail, formatUsd, JOB_LIMITS, ok, parseUsd, type JobFault, type JobSubmission, type Result } from '@muster/shared-types';
import { Config } from '../../config.js';
import { DEFAULT_PRICING } from '../../fleet/pricing.rules.js';
import { isTooLow, priceJob, type Price } from '../price.rules.js';
import { nodeRate } from '../schedule/need.rules.js';
import { draftJob, type JobDraft } from './descriptor.rules.js';
import { fitWarnings, ratesOf, waitingFor, type Fit } from './fit.rules.js';
import { InputFiles } from './input-files.js';
import { MarketNodes } from './market-nodes.js';
import { splitInputs, type TaskDraft } from './split.rules.js';

/** A submission, understood, split and priced; nothing is written yet. */
export interface PlannedJob {
  draft: JobDraft;
  tasks: TaskDraft[];
  fit: Fit;
  price: Price;
  waitingFor: JobFault | null;
  warnings: string[];
}

/** What quote and submit have in common. */
@Injectable()
export class PlanJob {
  constructor(
    private readonly config: Config,
    private readonly market: MarketNodes,
    private readonly files: InputFiles,
  ) {}

  async run(userId: string, body: JobSubmission): Promise<Result<PlannedJob>> {
    const { draft, errors } = draftJob(await this.#named(body), this.config.distinctBy);
    if (errors.length > 0) return fail('invalid_request', { detail: 'See errors', errors });
    const uploads = await this.files.check(userId, draft.spec.inputs);
    if (!uploads.ok) return uploads;
    const tasks = await this.#split(draft);
    if (!tasks.ok) return tasks;
    const fit = await this.market.fit(draft.need);
    const price = priceOf(body, draft, tasks.value.length, fit);
    if (!price.ok) return price;
    return ok({ draft, tasks: tasks.value, fit, price: price.value, waitingFor: waitingFor(fit, draft), warnings: fitWarnings(fit, draft) });
  }

  async #named(body: JobSubmission): Promise<JobSubmission> {
    const { aggregate } = body;
    const aggregated = aggregate.kind === 'container' ? { ...aggregate, docker_image: await this.market.image(aggregate.docker_image) } : aggregate;
    return { ...body, docker_image: await this.market.image(body.docker_image), aggregate: aggregated };
  }

  async #split(draft: JobDraft): Promise<Result<TaskDraft[]>> {
    const plan = draft.spec.tasks;
    const byLines = plan.kind === 'split' && plan.by === 'lines';
    const bytes = byLines ? await this.files.bytesOf(draft, plan.path) : ok(undefined);
    if (!bytes.ok) return bytes;
    const tasks = splitInputs(plan, draft.spec.inputs, bytes.value);
    const wrong = (path: string, message: string) => fail('invalid_request', { detail: 'See errors', errors: [{ path: `body.tasks.${path}`, message }] });
    if (tasks === null) return wrong('chunk', `makes more than ${JOB_LIMITS.tasks} tasks: take a larger chunk`);
    return tasks.length === 0 ? wrong('path', 'has no line in it') : ok(tasks);
  }
}

function priceOf(body: JobSubmission, draft: JobDraft, tasks: number, fit: Fit): Result<Price> {
  const price = priceJob({
    tasks: tasks + (draft.spec.aggregate.kind === 'container' ? 1 : 0),
    maxCopies: draft.maxCopies,
    consensus: draft.consensus,
    timeoutS: draft.timeoutS,
    rates: ratesOf(fit, draft.distinctBy),
    defaultRate: nodeRate(DEFAULT_PRICING, draft.need),
    maxPriceMicro: body.max_price_usd === undefined ? null : parseUsd(body.max_price_usd),
  });
  if (!isTooLow(price)) return ok(price);
  return fail('hold_too_small', {
    detail: `With this limit no ${draft.consensus} of the nodes that fit would run ${tasks === 1 ? 'it' : `${tasks} tasks`} to the end of the timeout`,
    hint: 'Raise max_price_usd, or ask for less: timeout_s, max_copies, memory',
    facts: { max_price_usd: body.max_price_usd ?? '', needed_usd: formatUsd(price.neededMicro), default_cpu_core_dph: formatUsd(DEFAULT_PRICES.cpuCoreHour) },
  });
}
