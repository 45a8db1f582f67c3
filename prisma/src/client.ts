import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from './generated/client.js';

export interface ClientOptions {
  connectionString: string;
  /** Connections in the pool. */
  max: number;
}

/** A Prisma client on its own pool of the plain Postgres driver. */
export function createClient(options: ClientOptions): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: options.connectionString, max: options.max }) });
}
