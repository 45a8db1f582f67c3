import fc from 'fast-check';
import { createClient } from '@muster/prisma';
import { createTestDatabase } from '@muster/testkit';
import { expect, it } from 'vitest';
import { arrayLiteral } from './array-literal.rules.js';

it('is read by Postgres as what it was made of', async () => {
  const database = await createTestDatabase();
  const db = createClient({ connectionString: database.url, max: 1 });
  const nasty = fc.constantFrom('', ' ', ' a ', 'null', 'NULL', '"', '\\', '{}', 'a,b', "o'clock", '\n', '\\"', '😀', 'ä');
  const text = fc.oneof(nasty, fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0')), fc.constant(null));
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 20 }), async (values) => {
      const [row] = await db.$queryRaw<{ read: (string | null)[] }[]>`SELECT ${arrayLiteral(values)}::text::text[] AS read`;
      expect(row?.read).toEqual(values);
    }),
    { numRuns: 100 },
  );
  const [row] = await db.$queryRaw<{ numbers: bigint[]; sum: bigint }[]>`SELECT ${arrayLiteral([1n, -2n, 9_000_000_000_000_000_000n])}::text::bigint[] AS numbers`;
  expect(row?.numbers).toEqual([1n, -2n, 9_000_000_000_000_000_000n]);
  await db.$disconnect();
  await database.drop();
});
