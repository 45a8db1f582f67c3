import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSql, insertSql, SETUP_SQL, tableAt, type Table } from './embedded-sql.rules.js';
import { EmbeddedUpkeep } from './embedded-upkeep.js';
import { SqliteFile } from './sqlite-file.js';

const DAY_S = 86_400;
const NOW_S = 20_000 * DAY_S;

describe('upkeep of the embedded store', () => {
  let dir: string;
  let db: SqliteFile;
  const keeper = (maxBytes: number): EmbeddedUpkeep => new EmbeddedUpkeep(db, maxBytes, (table) => db.transaction(createSql(table)));
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'muster-telemetry-'));
    db = (await SqliteFile.open(join(dir, 'telemetry.db'), SETUP_SQL)).db;
  });
  afterEach(async () => {
    db.close();
    await rm(dir, { recursive: true, force: true });
  });
  const fill = async (table: Table, rows: number): Promise<void> => {
    const points = Array.from({ length: rows }, (_, index) => ({ series: index, atS: table.fromS, fields: { cpu_utilization: Math.PI * index, ram_used_mb: 1 / (index + 1) } }));
    await db.transaction(createSql(table) + insertSql(table, points));
  };
  const names = (): string[] => db.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%node%'").map(([name]) => String(name)).toSorted();

  it('drops each tier when all of a table is older than it is kept', async () => {
    const tables = [tableAt('raw', 'node', NOW_S - 8 * DAY_S), tableAt('raw', 'node', NOW_S - 6 * DAY_S), tableAt('1m', 'node', NOW_S - 99 * DAY_S), tableAt('1m', 'node', NOW_S - 80 * DAY_S), tableAt('1h', 'node', NOW_S - 900 * DAY_S), tableAt('1h', 'node', NOW_S - 600 * DAY_S)];
    for (const table of tables) await fill(table, 1);
    await keeper(1e9).sweep(NOW_S);
    expect(names()).toEqual([tables[1], tables[3], tables[5]].map((table) => table?.name).toSorted());
  });

  it('over its size, the oldest of the finest go first, and their room is used again', async () => {
    const raw = [2, 1, 0].map((days) => tableAt('raw', 'node', NOW_S - days * DAY_S));
    const minutes = tableAt('1m', 'node', NOW_S - 20 * DAY_S);
    for (const table of [...raw, minutes]) await fill(table, 3_000);
    const upkeep = keeper(1e9);
    const before = upkeep.usedBytes();
    await keeper(before - 1).sweep(NOW_S);
    expect(names()).toEqual([raw[1]?.name, raw[2]?.name, minutes.name].toSorted());
    expect(upkeep.usedBytes()).toBeLessThan(before);
    const pages = db.number('PRAGMA page_count');
    await fill(tableAt('raw', 'node', NOW_S + DAY_S), 3_000);
    expect(db.number('PRAGMA page_count')).toBeLessThanOrEqual(pages + 2);
  });

  it('adds up nothing twice: rolling up again changes nothing', async () => {
    const table = tableAt('raw', 'node', NOW_S);
    await db.transaction(`INSERT INTO series VALUES (1, 'node', 'n', '', '', '')`);
    await db.transaction(createSql(table) + insertSql(table, [{ series: 1, atS: NOW_S, fields: { load_1m: 1 } }, { series: 1, atS: NOW_S + 30, fields: { load_1m: 2 } }]));
    for (const _ of [1, 2]) await keeper(1e9).rollUp(NOW_S + 120);
    expect(db.all(`SELECT at, load_1m FROM "${tableAt('1m', 'node', NOW_S).name}"`)).toEqual([[NOW_S, 1.5]]);
  });
});
