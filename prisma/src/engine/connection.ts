import pg from 'pg';

/** What a client needs to reach one database, without the URL: the database can then be another one. */
export interface ConnectionFields {
  host: string;
  port: number;
  user: string | undefined;
  password: string | undefined;
  database: string;
  ssl: pg.ClientConfig['ssl'];
}

/** Reads a URL exactly as the driver does, TLS options included. */
export function connectionFields(url: string): ConnectionFields {
  const { host, port, user, password, database, ssl } = new pg.Client({ connectionString: url });
  return { host, port, user, password: typeof password === 'string' ? password : undefined, database: database ?? 'postgres', ssl };
}

export async function withClient<T>(fields: ConnectionFields, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(fields);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const DUPLICATE_DATABASE = '42P04';
/** Two CREATE DATABASE of one name at once: the loser fails on the index of the catalog table. */
const UNIQUE_VIOLATION = '23505';

/** Makes the database of this URL unless it exists; `created` says which. */
export async function createDatabase(fields: ConnectionFields): Promise<{ name: string; created: boolean }> {
  const name = fields.database;
  try {
    await withClient({ ...fields, database: 'postgres' }, (client) => client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`));
    return { name, created: true };
  } catch (error) {
    if (error instanceof pg.DatabaseError && (error.code === DUPLICATE_DATABASE || error.code === UNIQUE_VIOLATION)) return { name, created: false };
    throw error;
  }
}
