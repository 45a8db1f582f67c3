import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { ok, type Offer, type Result } from '@muster/shared-types';
import type { Page } from '../platform/cursor.js';
import { Db } from '../platform/db.js';
import { OfferBook } from './offer-book.js';
import { searchTable, type OfferSearch } from './offer-search.store.js';
import { positionOf, readPosition, wishOf, type SearchQuery } from './search.rules.js';

const PATIENCE_MS = 5_000;

@Injectable()
export class SearchOffers {
  constructor(
    private readonly db: Db,
    private readonly book: OfferBook,
  ) {}

  /** What is free now. `viewerId` marks the offers of the caller's own machines. */
  async run(query: SearchQuery, viewerId: string | null): Promise<Result<Page<Offer>>> {
    const wish = wishOf(query);
    if (!wish.ok) return wish;
    const { order } = wish.value;
    const after = readPosition(query.cursor, order);
    const found = await this.#find({ ...wish.value, after, limit: query.limit, viewerId });
    const items = found.slice(0, query.limit);
    const last = items.at(-1);
    return ok({ items, next: found.length > query.limit && last ? positionOf(order, last) : null });
  }

  /** Mostly nothing has changed since the last look, and one statement is enough. */
  async #find(search: OfferSearch): Promise<Offer[]> {
    const first = await searchTable(this.db.client, search);
    if (!first.stale) return first.offers;
    // While very much has changed (a new version makes everything anew), what is made already is answered.
    await Promise.race([this.book.fresh(), sleep(PATIENCE_MS, undefined, { ref: false })]);
    return (await searchTable(this.db.client, search)).offers;
  }
}
