import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { createClient, type Prisma, type PrismaClient } from '@muster/prisma';
import { Config } from '../config.js';

/** A transaction's own client: functions that must run inside one take this. */
export type Tx = Prisma.TransactionClient;

/** The one connection pool to Postgres. */
@Injectable()
export class Db implements OnApplicationShutdown {
  readonly client: PrismaClient;

  constructor(config: Config) {
    this.client = createClient({ connectionString: config.databaseUrl, max: config.databasePool });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.client.$disconnect();
  }
}
