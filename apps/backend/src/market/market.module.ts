import { Module } from '@nestjs/common';
import { MarketController } from './market.controller.js';
import { TemplatesController } from './templates.controller.js';
import { OfferBook } from './offer-book.js';
import { Prices } from './prices.js';
import { QuoteOffer } from './quote.js';
import { OwnTemplates } from './own-templates.js';
import { SearchOffers } from './search.js';

@Module({ controllers: [MarketController, TemplatesController], providers: [OfferBook, OwnTemplates, Prices, QuoteOffer, SearchOffers] })
export class MarketModule {}
