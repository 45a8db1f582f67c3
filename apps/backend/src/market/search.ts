import { Injectable } from '@nestjs/common';
import { ok, type Offer, type Result } from '@muster/shared-types';
import type { Page } from '../platform/cursor.js';
import { Db } from '../platform/db.js';
import { OfferBook } from './offer-book.js';
import { searchTable } from './offer-search.store.js';
import { positionOf, readPosition, wishOf, type SearchQuery } from './search.rules.js';

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
    await this.book.fresh();
    const found = await searchTable(this.db.client, { ...wish.value, after, limit: query.limit, viewerId });
    const items = found.slice(0, query.limit);
    const last = items.at(-1);
    return ok({ items, next: found.length > query.limit && last ? positionOf(order, last) : null });
  }
}
