import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import { ColumnTypeEnum, type SqlDriverAdapter, type SqlMigrationAwareDriverAdapterFactory, type SqlQuery, type SqlResultSet } from '@prisma/driver-adapter-utils';
import pg from 'pg';
import { withClient, type ConnectionFields } from './connection.js';

/** Type id of Postgres's one-byte `"char"`, which the catalog tables use and the stock adapter does not know. */
const CHAR_OID = 18;
/** A type id that the stock adapter passes through unchanged. */
const TEXT_OID = 25;

/** Positions of the `"char"` columns of a result, remembered by the rows that the adapter passes through. */
const charColumns = new WeakMap<object, number[]>();

/** One connection: session advisory locks and SET belong to a connection, not to a pool. */
function enginePool(fields: ConnectionFields): pg.Pool {
  const pool = new pg.Pool({ ...fields, max: 1 });
  const query = pool.query.bind(pool) as (config: unknown) => Promise<pg.QueryArrayResult>;
  return Object.assign(pool, { query: async (config: unknown) => presentCharAsText(await query(config)) });
}

function presentCharAsText(result: pg.QueryArrayResult): pg.QueryArrayResult {
  const positions = (result.fields ?? []).flatMap((field, position) => (field.dataTypeID === CHAR_OID ? [position] : []));
  for (const position of positions) result.fields[position]!.dataTypeID = TEXT_OID;
  if (positions.length > 0) charColumns.set(result.rows, positions);
  return result;
}

function withCharColumns(result: SqlResultSet): SqlResultSet {
  const positions = charColumns.get(result.rows);
  if (!positions) return result;
  const columnTypes = result.columnTypes.map((type, position) => (positions.includes(position) ? ColumnTypeEnum.Character : type));
  return { ...result, columnTypes };
}

/**
 * The stock adapter with the two gaps closed that migrations fall into: `"char"` columns, and scripts, which it
 * cuts at every `;` (also inside a function body).
 */
async function engineAdapter(pool: pg.Pool, dispose: () => Promise<void>): Promise<SqlDriverAdapter> {
  const stock = await new PrismaPg(pool).connect();
  const queryRaw = stock.queryRaw.bind(stock);
  return Object.assign(stock, {
    queryRaw: async (query: SqlQuery) => withCharColumns(await queryRaw(query)),
    executeScript: async (script: string) => {
      // A refused script comes back in the adapter's own error shape, so it runs through the adapter's handler.
      await pool.query(script).catch((error: unknown) => (stock as unknown as { onError(error: unknown): never }).onError(error));
    },
    dispose,
  });
}

/** Connects the schema engine to a database, and keeps account of its shadow databases. */
export class EngineAdapterFactory implements SqlMigrationAwareDriverAdapterFactory {
  readonly provider = 'postgres';
  readonly adapterName = '@prisma/adapter-pg';
  private readonly shadows = new Set<() => Promise<void>>();

  constructor(private readonly fields: ConnectionFields) {}

  connect(): Promise<SqlDriverAdapter> {
    const pool = enginePool(this.fields);
    return engineAdapter(pool, () => pool.end());
  }

  /** An empty database beside the real one. It is gone when the engine disposes it, or at `dropShadows`. */
  async connectToShadowDb(): Promise<SqlDriverAdapter> {
    const database = `prisma_migrate_shadow_${randomUUID().slice(0, 8)}`;
    const admin = { ...this.fields, database: 'postgres' };
    await withClient(admin, (client) => client.query(`CREATE DATABASE ${pg.escapeIdentifier(database)} TEMPLATE template0`));
    const pool = enginePool({ ...this.fields, database });
    const drop = once(async () => {
      this.shadows.delete(drop);
      await pool.end();
      await withClient(admin, (client) => client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(database)} WITH (FORCE)`));
    });
    this.shadows.add(drop);
    return engineAdapter(pool, drop);
  }

  async dropShadows(): Promise<void> {
    await Promise.allSettled([...this.shadows].map((drop) => drop()));
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work());
}
