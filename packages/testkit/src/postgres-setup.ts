import { acquireTestPostgres, ensureTemplate, POSTGRES_URL_VARIABLE } from './test-postgres-server.js';

/** Vitest's global set-up: one real Postgres and one migrated template for the run. Returns the tear-down. */
export async function setup(): Promise<() => Promise<void>> {
  const server = await acquireTestPostgres();
  process.env[POSTGRES_URL_VARIABLE] = server.url;
  try {
    await ensureTemplate(server.url);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server.stop;
}
