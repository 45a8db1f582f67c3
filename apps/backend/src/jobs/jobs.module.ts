import { Global, Module } from '@nestjs/common';
import { Refunds } from './refunds.js';

/** Verified batch jobs, from submission to refund. Global: the gateway reports to it, the heartbeats feed its leases. */
@Global()
@Module({
  controllers: [],
  providers: [Refunds],
  exports: [Refunds],
})
export class JobsModule {}
