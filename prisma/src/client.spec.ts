import { createTestDatabase } from '../../packages/testkit/src/postgres.js';
import { expect, it } from 'vitest';
import { createClient } from './client.js';

it('reads times rightly from a server in another time zone', async () => {
  const database = await createTestDatabase();
  const setUp = createClient({ connectionString: database.url, max: 1 });
  await setUp.$executeRawUnsafe(`ALTER DATABASE ${database.name} SET timezone = 'America/New_York'`);
  await setUp.$disconnect();
  const db = createClient({ connectionString: database.url, max: 1 });
  try {
    const rows = await db.$queryRaw<{ at: Date }[]>`SELECT '2027-01-01T00:00:00Z'::timestamptz AS at`;
    expect(rows[0]?.at).toEqual(new Date('2027-01-01T00:00:00Z'));
  } finally {
    await db.$disconnect();
    await database.drop();
  }
});
