import { Prisma } from '@muster/prisma';
import type { PrismaClient } from '@muster/prisma';
import { fieldOf, type Comparable, type Comparison, type Offer, type OrderKey } from '@muster/shared-types';
import { COLUMN_OF, type Column, type StoredField } from './offer-columns.rules.js';

/** Where a page ended: the last offer's value of each field of the order, and its id. */
export interface OfferPosition {
  values: readonly (Comparable | null)[];
  id: string;
}

export interface OfferSearch {
  comparisons: readonly Comparison[];
  /** Letters and digits that the GPU's name has in it; null asks nothing. */
  gpuPlain: string | null;
  order: readonly OrderKey[];
  after: OfferPosition | undefined;
  limit: number;
  viewerId: string | null;
}

export interface FoundOffers {
  /** In their order; one more than `limit` says that there is another page. */
  offers: Offer[];
  /** Nodes have changed whose offers were not made anew when this was read: then it is worth another look. */
  stale: boolean;
}

/** One look: what is found and whether the table is behind come from one snapshot, in one row of JSON. */
export async function searchTable(db: PrismaClient, search: OfferSearch): Promise<FoundOffers> {
  const [row] = await db.$queryRaw<{ offers: [Omit<Offer, 'own_node'>, boolean][]; stale: boolean }[]>`
    SELECT (SELECT id FROM "OfferStale" ORDER BY id LIMIT 1) IS NOT NULL AS stale,
      coalesce((SELECT json_agg(json_build_array(page.view, page.own) ORDER BY page.place) FROM (SELECT found.*, row_number() OVER () AS place FROM (${searchSql(search)}) found) page), '[]') AS offers`;
  return { offers: (row?.offers ?? []).map(([view, own]) => ({ ...view, own_node: own })), stale: row?.stale ?? false };
}

/** The whole statement: values are parameters, only names of our own columns are text. */
export function searchSql({ comparisons, gpuPlain, order, after, limit, viewerId }: OfferSearch): Prisma.Sql {
  const own = viewerId === null ? Prisma.sql`false` : Prisma.sql`("ownerId" = ${viewerId}::uuid)`;
  const conditions = comparisons.map((comparison) => conditionSql(comparison, own));
  if (gpuPlain !== null) conditions.push(Prisma.sql`"gpuPlain" LIKE ${`%${gpuPlain}%`}`);
  if (after) conditions.push(afterSql(order, after));
  const where = conditions.length > 0 ? Prisma.sql`WHERE ${Prisma.join(conditions, ' AND ')}` : Prisma.empty;
  return Prisma.sql`SELECT view, ${own} AS own FROM "Offer" ${where} ORDER BY ${orderSql(order)} LIMIT ${limit + 1}`;
}

/** Versions are kept as lists, where an empty one is a missing one. */
const sqlOf = ({ name, type, nullable }: Column): Prisma.Sql => Prisma.raw(type === 'int[]' && nullable ? `NULLIF("${name}", '{}')` : name === 'nodeId' ? `"nodeId"::text COLLATE "C"` : `"${name}"`);

const parameterSql = (value: Comparable): Prisma.Sql => {
  if (typeof value === 'bigint') return Prisma.sql`${value}::bigint`;
  if (typeof value === 'boolean') return Prisma.sql`${value}::boolean`;
  return typeof value === 'string' ? Prisma.sql`${value}::text` : Prisma.sql`${[...value]}::int[]`;
};

function conditionSql(comparison: Comparison, own: Prisma.Sql): Prisma.Sql {
  if (comparison.op === 'never') return Prisma.sql`false`;
  const { field, op, values } = comparison;
  const column = fieldOf(field).kind === 'flag' ? { sql: field === 'own_node' ? own : Prisma.sql`true`, nullable: false } : storedColumn(field as StoredField);
  const list = Prisma.join(values.map(parameterSql));
  switch (op) {
    case '=':
    case 'in':
      return Prisma.sql`${column.sql} IN (${list})`;
    case '!=':
    case 'notin':
      return column.nullable ? Prisma.sql`(${column.sql} IS NULL OR ${column.sql} NOT IN (${list}))` : Prisma.sql`${column.sql} NOT IN (${list})`;
    default:
      return Prisma.sql`${column.sql} ${Prisma.raw(op)} ${list}`;
  }
}

function storedColumn(field: StoredField): { sql: Prisma.Sql; nullable: boolean } {
  const column = COLUMN_OF[field];
  return { sql: sqlOf(column), nullable: column.nullable };
}

const orderSql = (order: readonly OrderKey[]): Prisma.Sql =>
  Prisma.join([...order.map(({ field, descending }) => keySql(storedColumn(field as StoredField), descending)), Prisma.sql`"id"`]);

/** Missing values come last either way. The default order is left as an index has it. */
function keySql({ sql, nullable }: { sql: Prisma.Sql; nullable: boolean }, descending: boolean): Prisma.Sql {
  const nulls = Prisma.raw(nullable || descending ? ' NULLS LAST' : '');
  return Prisma.sql`${sql}${Prisma.raw(descending ? ' DESC' : '')}${nulls}`;
}

/** Rows behind the position: equal in the first n fields and behind in the next one, or equal in all and of a later id. */
function afterSql(order: readonly OrderKey[], { values, id }: OfferPosition): Prisma.Sql {
  const keys = order.map(({ field, descending }, index) => ({ ...storedColumn(field as StoredField), descending, value: values[index] ?? null }));
  const same = keys.map(({ sql, value }) => (value === null ? Prisma.sql`${sql} IS NULL` : Prisma.sql`${sql} = ${parameterSql(value)}`));
  const ways = keys.flatMap((key, index) => {
    const behind = behindSql(key);
    return behind ? [Prisma.sql`(${Prisma.join([...same.slice(0, index), behind], ' AND ')})`] : [];
  });
  ways.push(Prisma.sql`(${Prisma.join([...same, Prisma.sql`"id" > ${id}::text`], ' AND ')})`);
  const any = Prisma.sql`(${Prisma.join(ways, ' OR ')})`;
  const [first] = keys;
  // Says again what the alternatives say, in a form that an index can begin at.
  return first && first.value !== null && !first.nullable ? Prisma.sql`${first.sql} ${Prisma.raw(first.descending ? '<=' : '>=')} ${parameterSql(first.value)} AND ${any}` : any;
}

function behindSql({ sql, nullable, descending, value }: { sql: Prisma.Sql; nullable: boolean; descending: boolean; value: Comparable | null }): Prisma.Sql | undefined {
  if (value === null) return undefined;
  const further = Prisma.sql`${sql} ${Prisma.raw(descending ? '<' : '>')} ${parameterSql(value)}`;
  return nullable ? Prisma.sql`(${further} OR ${sql} IS NULL)` : further;
}
