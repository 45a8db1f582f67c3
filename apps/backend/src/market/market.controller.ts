import { Controller } from '@nestjs/common';
import { operations, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Db } from '../platform/db.js';
import { Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import { Prices } from './prices.js';
import { QuoteOffer } from './quote.js';
import { SearchOffers } from './search.js';
import { templates } from './templates.js';

@Controller()
export class MarketController {
  constructor(
    private readonly db: Db,
    private readonly search: SearchOffers,
    private readonly quote: QuoteOffer,
    private readonly prices: Prices,
  ) {}

  @Operation(operations.searchOffers)
  async searchOffers(@Who() who: Principal, @Input() { query }: OperationInput<typeof operations.searchOffers>): Promise<OperationOutput<typeof operations.searchOffers>> {
    return unwrap(await this.search.run(query, who.kind === 'user' ? who.userId : null));
  }

  @Operation(operations.createQuote)
  async createQuote(@Who() who: Principal, @Input() { body }: OperationInput<typeof operations.createQuote>): Promise<OperationOutput<typeof operations.createQuote>> {
    return unwrap(await this.quote.run(userOf(who).userId, body));
  }

  @Operation(operations.marketPrices)
  async marketPrices(@Input() { query }: OperationInput<typeof operations.marketPrices>): Promise<OperationOutput<typeof operations.marketPrices>> {
    return await this.prices.view(query);
  }

  @Operation(operations.listTemplates)
  async listTemplates(@Who() who: Principal): Promise<OperationOutput<typeof operations.listTemplates>> {
    return { items: await templates(this.db.client, who.kind === 'user' ? who.userId : null) };
  }
}
