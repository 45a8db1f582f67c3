import { Injectable } from '@nestjs/common';
import { parseUsd, type Offer, type OperationInput, type operations } from '@muster/shared-types';
import { z } from 'zod';
import { reliabilityOf } from '../fleet/reliability.js';
import { Clock } from '../platform/clock.js';
import { readCursor, writeCursor, type Page } from '../platform/cursor.js';
import { Db } from '../platform/db.js';
import { offerView, pricedOffers } from './offer.view.js';
import { offerNodes } from './offers.store.js';
import { byPrice, isAfter, matches, type OfferQuery } from './query.rules.js';

type Query = OperationInput<typeof operations.searchOffers>['query'];
const RATE_AND_ID = { key: z.string().regex(/^\d{1,18}$/), id: z.string().max(120) };

@Injectable()
export class SearchOffers {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  /** What is free now, cheapest first. `viewerId` marks the offers of the caller's own machines. */
  async run(query: Query, viewerId: string | null): Promise<Page<Offer>> {
    const position = readCursor(query.cursor, RATE_AND_ID);
    const nodes = await offerNodes(this.db.client);
    const reliability = await reliabilityOf(this.db.client, nodes.map((node) => node.id), this.clock.now());
    const wanted = filterOf(query);
    const found = nodes
      .flatMap(pricedOffers)
      .map((offer) => ({ ...offer, reliability: reliability.get(offer.node.id)?.reliability ?? 0 }))
      .filter((offer) => matches(wanted, offer) && isAfter(offer, position))
      .sort(byPrice);
    const shown = found.slice(0, query.limit);
    const last = shown.at(-1);
    return {
      items: shown.map((offer) => offerView(offer, { reliability: offer.reliability, viewerId })),
      next: found.length > query.limit && last ? writeCursor([last.totalMicroHour.toString(), last.shape.id]) : null,
    };
  }
}

function filterOf(query: Query): OfferQuery {
  return {
    maxMicroHour: query.max_price === undefined ? null : parseUsd(query.max_price),
    gpu: query.gpu ?? null,
    numGpus: query.num_gpus ?? null,
    minCpuCores: query.min_cpu_cores ?? null,
    minRamMb: query.min_ram_mb ?? null,
    minReliability: query.min_reliability ?? null,
  };
}
