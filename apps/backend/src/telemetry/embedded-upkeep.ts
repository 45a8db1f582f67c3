import { TELEMETRY_TIERS, type TelemetryTier } from '@muster/shared-types';
import { dropSql, markSql, MEASUREMENTS, rollUpSql, stepOf, tableAt, tableNamed, tablesOver, type Table } from './embedded-sql.rules.js';
import { floorTo } from './resolution.rules.js';
import type { SqliteFile } from './sqlite-file.js';

/** Points come in a second late at most; a minute is rolled up when it has been over for this long. */
const SETTLED_S = 10;
const SWEEP_EVERY_S = 600;
const ROLLS = [
  { from: 'raw', to: '1m' },
  { from: '1m', to: '1h' },
] as const satisfies { from: TelemetryTier; to: TelemetryTier }[];

/** Keeps the file of the embedded store small and its coarser tiers whole. All of it in the store's own turn. */
export class EmbeddedUpkeep {
  #sweptS = 0;

  constructor(
    private readonly db: SqliteFile,
    private readonly maxBytes: number,
    private readonly ensure: (table: Table) => Promise<void>,
  ) {}

  async pass(nowS: number): Promise<void> {
    await this.rollUp(nowS);
    if (nowS - this.#sweptS < SWEEP_EVERY_S) return;
    this.#sweptS = nowS;
    await this.sweep(nowS);
  }

  /** From where it stopped, also before the last restart, to the last step that is over. */
  async rollUp(nowS: number): Promise<void> {
    let wholeS = nowS - SETTLED_S;
    for (const { from, to } of ROLLS) {
      const untilS = floorTo(wholeS, stepOf(to));
      const name = `rolled_${to}`;
      const sinceS = this.#mark(name) ?? this.#oldestS(from) ?? untilS;
      for (let atS = floorTo(sinceS, stepOf(to)); atS < untilS; atS = tableAt(from, 'node', atS).toS) await this.#roll(from, to, atS, untilS);
      if (untilS > sinceS) await this.db.transaction(markSql(name, untilS));
      wholeS = untilS;
    }
  }

  /** Drops what is older than its tier keeps, then, over the size, the oldest of the finest. */
  async sweep(nowS: number): Promise<void> {
    const tables = this.#tables();
    const old = tables.filter((table) => nowS - table.toS > keptS(table.tier));
    if (old.length > 0) await this.db.transaction(old.map(dropSql).join(''));
    for (const tier of ['raw', '1m', '1h'] as const) {
      for (const table of this.#tables().filter((one) => one.tier === tier).toSorted((a, b) => a.fromS - b.fromS)) {
        if (this.usedBytes() <= this.maxBytes) return;
        await this.db.transaction(dropSql(table));
      }
    }
  }

  /** Without the pages that a dropped table left for the next. */
  usedBytes(): number {
    const pages = this.db.number('PRAGMA page_count') - this.db.number('PRAGMA freelist_count');
    return pages * this.db.number('PRAGMA page_size');
  }

  /** One table's stretch, for each measurement, in one transaction. */
  async #roll(from: TelemetryTier, to: TelemetryTier, atS: number, untilS: number): Promise<void> {
    const here = new Set(this.#tables().map(({ name }) => name));
    const statements: string[] = [];
    for (const measurement of MEASUREMENTS) {
      const source = tableAt(from, measurement, atS);
      if (!here.has(source.name)) continue;
      for (const target of tablesOver(to, measurement, atS, Math.min(untilS, source.toS))) {
        await this.ensure(target);
        statements.push(rollUpSql(source, target, Math.max(atS, target.fromS), Math.min(untilS, source.toS, target.toS)));
      }
    }
    if (statements.length > 0) await this.db.transaction(statements.join(''));
  }

  #tables(): Table[] {
    return this.db.all("SELECT name FROM sqlite_master WHERE type = 'table'").flatMap(([name]) => tableNamed(String(name)) ?? []);
  }

  #oldestS(tier: TelemetryTier): number | undefined {
    const starts = this.#tables().filter((table) => table.tier === tier).map(({ fromS }) => fromS);
    return starts.length === 0 ? undefined : Math.min(...starts);
  }

  #mark(name: string): number | undefined {
    const [row] = this.db.all('SELECT value FROM mark WHERE name = ?', name);
    return row === undefined ? undefined : Number(row[0]);
  }
}

const keptS = (tier: TelemetryTier): number => TELEMETRY_TIERS.find((one) => one.name === tier)?.keptS ?? 0;
