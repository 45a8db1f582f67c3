import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { LoggerModule } from 'nestjs-pino';
import { Config, loadConfig } from '../config.js';
import { Clock } from './clock.js';
import { Db } from './db.js';
import { HealthController } from './health.controller.js';
import { Housekeeping } from './housekeeping.js';
import { Idempotency } from './idempotency.js';
import { Singletons } from './leases.js';
import { logParams } from './log.js';
import { MasterKey } from './master-key.js';
import { Metrics } from './metrics.js';
import { OperationInterceptor } from './operation.interceptor.js';
import { Outbox } from './outbox.js';
import { ProblemFilter } from './problem.filter.js';
import { RateLimit } from './rate-limit.js';
import { Redis } from './redis.js';
import { SigningKeys } from './signing-keys.js';

const shared = [Clock, Db, MasterKey, Metrics, Outbox, RateLimit, Redis, SigningKeys, Singletons];

/** What every feature stands on; global, so that features import each other only for features. */
@Global()
@Module({
  imports: [LoggerModule.forRootAsync({ imports: [], providers: [], inject: [Config], useFactory: logParams })],
  controllers: [HealthController],
  providers: [
    { provide: Config, useFactory: () => loadConfig() },
    ...shared,
    Housekeeping,
    Idempotency,
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_INTERCEPTOR, useClass: OperationInterceptor },
  ],
  exports: [Config, ...shared],
})
export class PlatformModule {}
