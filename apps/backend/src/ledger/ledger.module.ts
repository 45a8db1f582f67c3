import { Global, Module } from '@nestjs/common';
import { Balance } from './balance.js';
import { BalanceWarnings } from './balance-warnings.js';
import { CoveredMarks } from './covered-marks.js';
import { Grants } from './grant.js';
import { LedgerController } from './ledger.controller.js';
import { LedgerLoops } from './ledger-loops.js';
import { Settler } from './settle.js';

@Global()
@Module({
  controllers: [LedgerController],
  providers: [Balance, BalanceWarnings, CoveredMarks, Grants, LedgerLoops, Settler],
  exports: [CoveredMarks, Settler],
})
export class LedgerModule {}
