import { Module } from '@nestjs/common';
import { MarketController } from './market.controller.js';
import { OfferBook } from './offer-book.js';
import { Prices } from './prices.js';
import { QuoteOffer } from './quote.js';
import { SearchOffers } from './search.js';

@Module({ controllers: [MarketController], providers: [OfferBook, Prices, QuoteOffer, SearchOffers] })
export class MarketModule {}
