import { Module } from '@nestjs/common';
import { MarketController } from './market.controller.js';
import { QuoteOffer } from './quote.js';
import { SearchOffers } from './search.js';

@Module({ controllers: [MarketController], providers: [QuoteOffer, SearchOffers] })
export class MarketModule {}
