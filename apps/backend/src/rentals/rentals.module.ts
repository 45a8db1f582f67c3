import { Global, Module } from '@nestjs/common';
import { RentalProgress } from './advance.js';
import { Coverage } from './coverage.js';
import { DeadlineEnder } from './deadlines.js';
import { DestroyRental } from './destroy.js';
import { EndRental } from './end.js';
import { FailStart } from './fail-start.js';
import { LastCovered } from './last-covered.js';
import { LostRentals } from './lost.js';
import { MarkRunning } from './mark-running.js';
import { NodeNews } from './node-news.js';
import { Park } from './park.js';
import { Progresses } from './progress.js';
import { Reach } from './reach.js';
import { Release } from './release.js';
import { Rent } from './rent.js';
import { RentalLogs } from './rental-logs.js';
import { RentalLoops } from './rental-loops.js';
import { RentalsController } from './rentals.controller.js';
import { StartRental } from './start.js';
import { StartsAndStops } from './starts.js';
import { StopRental } from './stop.js';
import { RentalViews } from './views.js';

/** Rentals from rent to release. Global: agents report to it, fleet ends what runs on a node that leaves. */
@Global()
@Module({
  controllers: [RentalsController],
  providers: [
    Coverage, DeadlineEnder, DestroyRental, EndRental, FailStart, LastCovered, LostRentals, MarkRunning, NodeNews, Park, Progresses, Reach, Release, Rent,
    RentalLogs, RentalLoops, RentalProgress, RentalViews, StartRental, StartsAndStops, StopRental,
  ],
  exports: [Coverage, EndRental, LostRentals, RentalProgress],
})
export class RentalsModule {}
