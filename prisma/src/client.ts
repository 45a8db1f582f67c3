import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from './generated/client.js';

export interface ClientOptions {
  connectionString: string;
  /** Connections in the pool. */
  max: number;
}

/**
 * A Prisma client on its own pool of the plain Postgres driver. Sessions speak UTC whatever the server's time zone is:
 * the driver adapter drops the offset of a timestamp and reads it as UTC.
 */
export function createClient({ connectionString, max }: ClientOptions): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString, max, options: '-c TimeZone=UTC' }) });
}
