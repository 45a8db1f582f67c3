import { METRICS, TELEMETRY_TIERS, type Measurement, type TelemetryTier } from '@muster/shared-types';

/**
 * Tables hold one stretch of time each, so that old samples go by dropping a table, which costs nothing and gives its pages
 * to the next. Lengths are multiples of every step that their tier is read with. Only names made here and numbers are
 * written into statements.
 */
const TABLE_S: Readonly<Record<TelemetryTier, number>> = { raw: 6 * 3_600, '1m': 7 * 86_400, '1h': 91 * 86_400 };
const TABLE = /^(raw|1m|1h)_(node|gpu|instance)_(\d+)$/;

export const MEASUREMENTS = Object.keys(METRICS) as Measurement[];
export const columnsOf = (measurement: Measurement): string[] => Object.keys(METRICS[measurement]);
export const stepOf = (tier: TelemetryTier): number => TELEMETRY_TIERS.find((one) => one.name === tier)?.stepS ?? 0;

export interface Table {
  name: string;
  tier: TelemetryTier;
  measurement: Measurement;
  fromS: number;
  toS: number;
}

export const SETUP_SQL = `
  CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, measurement TEXT NOT NULL, node TEXT NOT NULL, gpu TEXT NOT NULL, model TEXT NOT NULL, slot TEXT NOT NULL,
    UNIQUE (measurement, node, gpu, model, slot));
  CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL);`;

export function tableAt(tier: TelemetryTier, measurement: Measurement, atS: number): Table {
  const number = Math.floor(atS / TABLE_S[tier]);
  return { name: `${tier}_${measurement}_${number}`, tier, measurement, fromS: number * TABLE_S[tier], toS: (number + 1) * TABLE_S[tier] };
}

/** Undefined for what is no table of samples. */
export function tableNamed(name: string): Table | undefined {
  const [, tier, measurement, number] = TABLE.exec(name) ?? [];
  if (number === undefined) return undefined;
  return tableAt(tier as TelemetryTier, measurement as Measurement, Number(number) * TABLE_S[tier as TelemetryTier]);
}

export function tablesOver(tier: TelemetryTier, measurement: Measurement, fromS: number, toS: number): Table[] {
  const tables: Table[] = [];
  for (let atS = fromS; atS < toS; atS = tables.at(-1)?.toS ?? toS) tables.push(tableAt(tier, measurement, atS));
  return tables;
}

export const createSql = ({ name, measurement }: Table): string =>
  `CREATE TABLE IF NOT EXISTS "${name}" (series INTEGER NOT NULL, at INTEGER NOT NULL, ${columnsOf(measurement).map((column) => `"${column}" REAL`).join(', ')}, PRIMARY KEY (series, at)) WITHOUT ROWID;`;

export const addColumnSql = (table: Table, column: string): string => `ALTER TABLE "${table.name}" ADD COLUMN "${column}" REAL;`;
export const dropSql = (table: Table): string => `DROP TABLE IF EXISTS "${table.name}";`;

export interface Row {
  series: number;
  atS: number;
  fields: Readonly<Record<string, number>>;
}

export function insertSql({ name, measurement }: Table, rows: readonly Row[]): string {
  const columns = columnsOf(measurement);
  const values = rows.map(({ series, atS, fields }) => `(${[series, atS, ...columns.map((column) => literal(fields[column]))].join(',')})`);
  return `INSERT OR REPLACE INTO "${name}" (series, at, ${columns.map((column) => `"${column}"`).join(', ')}) VALUES ${values.join(',')};`;
}

const literal = (value: number | undefined): string => (value === undefined || !Number.isFinite(value) ? 'NULL' : String(value));

/** Means over steps of one series. Parameters: series, from, to. */
export function meansSql({ name, measurement }: Table, stepS: number): string {
  const means = columnsOf(measurement).map((column) => `avg("${column}")`).join(', ');
  return `SELECT at / ${stepS} * ${stepS} AS step, ${means} FROM "${name}" WHERE series = ? AND at >= ? AND at < ? GROUP BY step ORDER BY step`;
}

/** Rolls a stretch of one table up into the next tier. Series by series, so that the key serves. */
export function rollUpSql(from: Table, to: Table, fromS: number, toS: number): string {
  const stepS = stepOf(to.tier);
  const columns = columnsOf(from.measurement).map((column) => `"${column}"`);
  return `INSERT OR REPLACE INTO "${to.name}" (series, at, ${columns.join(', ')})
    SELECT r.series, r.at / ${stepS} * ${stepS}, ${columns.map((column) => `avg(r.${column})`).join(', ')}
    FROM series s CROSS JOIN "${from.name}" r ON r.series = s.id
    WHERE s.measurement = '${from.measurement}' AND r.at >= ${fromS} AND r.at < ${toS} GROUP BY r.series, r.at / ${stepS};`;
}

export const markSql = (name: string, value: number): string => `INSERT OR REPLACE INTO mark (name, value) VALUES ('${name}', ${value});`;
