import { Client } from 'pg';

export const SUPERUSER = 'muster';

export function postgresUrl(parts: { port: number; password: string; database?: string }): string {
  return `postgresql://${SUPERUSER}:${encodeURIComponent(parts.password)}@127.0.0.1:${parts.port}/${encodeURIComponent(parts.database ?? 'postgres')}`;
}

/** True when a query is answered; throws what the server or the network said otherwise. */
export async function canConnect(url: string): Promise<true> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined); // the failure also reaches the pending call below
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } finally {
    await client.end().catch(() => undefined); // a connection that never opened has nothing to end
  }
}
