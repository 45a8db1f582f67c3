import { Global, Module } from '@nestjs/common';
import { Config, loadConfig } from '../config.js';
import { Clock } from './clock.js';
import { Db } from './db.js';
import { Singletons } from './leases.js';
import { MasterKey } from './master-key.js';
import { Outbox } from './outbox.js';
import { Redis } from './redis.js';
import { SigningKeys } from './signing-keys.js';

const shared = [Clock, Db, MasterKey, Outbox, Redis, SigningKeys, Singletons];

@Global()
@Module({
  providers: [{ provide: Config, useFactory: () => loadConfig() }, ...shared],
  exports: [Config, ...shared],
})
export class PlatformModule {}
