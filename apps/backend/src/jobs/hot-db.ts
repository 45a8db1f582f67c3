import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { createClient, type PrismaClient } from '@muster/prisma';
import { Config } from '../config.js';

/** One tally and one pass of the scheduler at a time, and room for machines that poll. */
const CONNECTIONS = 4;

/**
 * Sessions for the few statements that lease and decide. Each finds its rows by key, whatever their number, so plans that read
 * whole tables are ruled out: statistics of tables that grow by thousands of rows a second are always behind, and a plan that
 * suits an empty table costs seconds on a full one. One plan per statement and session is kept.
 */
const BY_KEY = { enable_seqscan: 'off', enable_hashjoin: 'off', enable_mergejoin: 'off', enable_bitmapscan: 'off', plan_cache_mode: 'force_generic_plan' };

@Injectable()
export class HotDb implements OnApplicationShutdown {
  readonly client: PrismaClient;

  constructor(config: Config) {
    this.client = createClient({ connectionString: config.databaseUrl, max: CONNECTIONS, settings: BY_KEY });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.client.$disconnect();
  }
}
