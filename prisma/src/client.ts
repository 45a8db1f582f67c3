import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from './generated/client.js';

export interface ClientOptions {
  connectionString: string;
  /** Connections in the pool. */
  max: number;
  /** Settings of every session, e.g. `{ enable_seqscan: 'off' }`. */
  settings?: Readonly<Record<string, string>>;
}

/**
 * A Prisma client on its own pool of the plain Postgres driver. Sessions speak UTC whatever the server's time zone is:
 * the driver adapter drops the offset of a timestamp and reads it as UTC.
 */
export function createClient({ connectionString, max, settings = {} }: ClientOptions): PrismaClient {
  const options = Object.entries({ TimeZone: 'UTC', ...settings }).map(([name, value]) => `-c ${name}=${value}`).join(' ');
  return new PrismaClient({ adapter: new PrismaPg({ connectionString, max, options }, { statementNameGenerator: ({ sql }) => statementName(sql) }) });
}

const NAMED = /^\s*\/\* (muster:[a-z-]+) \*\//;

/**
 * A statement that begins with a comment like `muster:lease` is prepared once per connection under that name. Only for few,
 * large ones that always have the same text: everything else is planned as it comes.
 */
function statementName(sql: string): string {
  // The driver takes the empty name for no name.
  return NAMED.exec(sql)?.[1] ?? '';
}
