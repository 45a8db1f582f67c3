import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../config.js';
import { Singletons } from '../platform/leases.js';
import { DeadlineEnder } from './deadlines.js';
import { StartsAndStops } from './starts.js';

/** Access must be over at most 3 s after a deadline, also where the agent does not keep it. */
const DEADLINES_EVERY_MS = 500;
const STARTS_EVERY_MS = 1_000;
/** For so long nothing moves after a crash of the holder: seconds, since a deadline may not be late by more. */
const LEASE_MS = 3_000;

/** What rentals need without being asked: one replica does it at a time. */
@Injectable()
export class RentalLoops implements OnApplicationBootstrap {
  constructor(
    private readonly config: Config,
    private readonly singletons: Singletons,
    private readonly deadlines: DeadlineEnder,
    private readonly starts: StartsAndStops,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.has('scheduler')) return;
    this.singletons.every({ name: 'rental-deadlines', everyMs: DEADLINES_EVERY_MS, leaseMs: LEASE_MS, run: async (signal) => void (await this.deadlines.pass(signal)) });
    this.singletons.every({ name: 'rental-starts', everyMs: STARTS_EVERY_MS, leaseMs: LEASE_MS, run: () => this.starts.pass() });
  }
}
