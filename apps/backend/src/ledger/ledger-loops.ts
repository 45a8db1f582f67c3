import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { Singletons } from '../platform/leases.js';
import { BalanceWarnings } from './balance-warnings.js';
import { Settler } from './settle.js';

const SETTLE_EVERY_MS = 30_000;
const WARN_EVERY_MS = 10_000;

/** What the ledger does without being asked. */
@Injectable()
export class LedgerLoops implements OnApplicationBootstrap {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly singletons: Singletons,
    private readonly settler: Settler,
    private readonly warnings: BalanceWarnings,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.has('settler')) return;
    this.singletons.every({ name: 'settle', everyMs: SETTLE_EVERY_MS, run: async () => void (await this.settler.settleDue(this.clock.now())) });
    this.singletons.every({ name: 'balance-warnings', everyMs: WARN_EVERY_MS, run: () => this.warnings.pass(this.clock.now()) });
  }
}
