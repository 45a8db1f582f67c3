import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { folded, formatUsd, type MarketPrice, type OperationOutput, type operations } from '@muster/shared-types';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Singletons } from '../platform/leases.js';
import { OfferBook } from './offer-book.js';
import { histogramOf, spreadOf, type Spread } from './prices.rules.js';
import { CPU, forgetBefore, keepHour, priceHistory, pricesNow, type ModelPrices } from './prices.store.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const KEEP_MS = 400 * DAY_MS;
/** Beyond this many days a chart shows days. */
const HOURS_UP_TO_DAYS = 7;
const LOOK_EVERY_MS = 5 * 60_000;
/** Prices of the whole market are the same for everybody and need not be newer than this. */
const GOOD_FOR_MS = 5_000;

/** What is asked for now per model, and once an hour kept for the charts. */
@Injectable()
export class Prices implements OnApplicationBootstrap {
  #known: { at: number; models: Promise<ModelPrices[]> } | undefined;

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly book: OfferBook,
    private readonly singletons: Singletons,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.has('scheduler')) this.singletons.every({ name: 'prices', everyMs: LOOK_EVERY_MS, run: () => this.keep() });
  }

  async view(query: { gpu_name?: string | undefined; days: number }): Promise<OperationOutput<typeof operations.marketPrices>> {
    const key = query.gpu_name === undefined ? undefined : folded(query.gpu_name);
    const models = await this.#models();
    const history = key === undefined ? [] : await this.#history(key, query.days);
    const shown = models.filter((model) => key === undefined || model.key === key);
    if (key !== undefined && shown.length === 0 && history.length > 0) shown.push({ key, gpuName: key === CPU ? null : (query.gpu_name ?? key).replaceAll('_', ' '), offers: 0, free: 0, prices: [] });
    return { as_of: this.clock.now().toISOString(), items: shown.map((model) => priceView(model, history)) };
  }

  /** The prices of this hour, into the table; what is older than a chart shows goes. */
  async keep(): Promise<void> {
    const now = this.clock.now().getTime();
    await this.book.fresh();
    const models = await pricesNow(this.db.client);
    await keepHour(this.db.client, new Date(now - (now % HOUR_MS)), models.map(({ key, prices }) => ({ key, ...spreadOf(prices) })));
    await forgetBefore(this.db.client, new Date(now - KEEP_MS));
  }

  async #models(): Promise<ModelPrices[]> {
    if (!this.#known || performance.now() - this.#known.at > GOOD_FOR_MS) {
      const known = { at: performance.now(), models: this.book.fresh().then(() => pricesNow(this.db.client)) };
      this.#known = known;
      known.models.catch(() => (this.#known = this.#known === known ? undefined : this.#known));
    }
    return await this.#known.models;
  }

  async #history(key: string, days: number): Promise<MarketPrice['history']> {
    const since = new Date(this.clock.now().getTime() - days * DAY_MS);
    const points = await priceHistory(this.db.client, key, since, days > HOURS_UP_TO_DAYS ? 'day' : 'hour');
    return points.map(({ at, ...spread }) => ({ at: at.toISOString(), ...spreadView(spread) }));
  }
}

const spreadView = ({ nodes, p10Micro, medianMicro, p90Micro }: Spread) => ({ nodes, p10_usd: formatUsd(p10Micro), median_usd: formatUsd(medianMicro), p90_usd: formatUsd(p90Micro) });

function priceView({ key, gpuName, offers, free, prices }: ModelPrices, history: MarketPrice['history']): MarketPrice {
  return {
    gpu_name: gpuName,
    unit: key === CPU ? 'vCPU-hour' : 'GPU-hour',
    offers,
    free,
    ...spreadView(spreadOf(prices)),
    min_usd: formatUsd(prices[0] ?? 0n),
    max_usd: formatUsd(prices.at(-1) ?? 0n),
    histogram: histogramOf(prices),
    history,
  };
}
