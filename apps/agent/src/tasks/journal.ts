import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ExecutionReport, ExecutionSpec, TaskResults } from '@muster/shared-types';
import { z } from 'zod';
import { readJson, syncDir, writeJson } from '../state-dir.js';
import type { OrderedEnd } from './ending.rules.js';
import { keyOf } from './sandbox-spec.js';

const EndingFile = z.object({ ordered: z.enum(['timeout', 'cancelled', 'output_too_large']) });
const SeqFile = z.object({ seq: z.number().int().nonnegative() });

export interface JournalEntry {
  spec: ExecutionSpec;
  ordered: OrderedEnd | null;
  report: ExecutionReport | null;
}

/**
 * What the agent knows of executions, on disk: a folder each, and one file per signed batch. INVARIANTS: `run_tasks` is
 * acked after `add`; an end is ordered after `order`; a report is sent after `finish`, in a batch that is sent after
 * `saveBatch`; so a kill -9 at any moment loses none of what was said, and no number signs two different batches.
 */
export class Journal {
  private constructor(private readonly root: string) {}

  static async open(root: string): Promise<Journal> {
    const journal = new Journal(root);
    for (const folder of [root, journal.runs, journal.batches]) await mkdir(folder, { recursive: true, mode: 0o700 });
    return journal;
  }

  /** Executions whose report has not been acked. A folder without a readable order was never acked: it goes. */
  async load(): Promise<JournalEntry[]> {
    const entries = await Promise.all((await readdir(this.runs)).map((key) => this.read(key)));
    return entries.filter((entry) => entry !== null);
  }

  private async read(key: string): Promise<JournalEntry | null> {
    const at = (file: string): string => join(this.runs, key, file);
    const [spec, ending, report] = await Promise.all([readJson(at('spec.json'), ExecutionSpec), readJson(at('ending.json'), EndingFile), readJson(at('report.json'), ExecutionReport)]);
    if (spec.kind !== 'ok') {
      await this.forget(key);
      return null;
    }
    return { spec: spec.value, ordered: ending.kind === 'ok' ? ending.value.ordered : null, report: report.kind === 'ok' ? report.value : null };
  }

  async add(spec: ExecutionSpec): Promise<void> {
    const folder = join(this.runs, keyOf(spec));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeJson(join(folder, 'spec.json'), spec);
    await syncDir(this.runs);
  }

  async order(key: string, ordered: OrderedEnd): Promise<void> {
    await writeJson(join(this.runs, key, 'ending.json'), { ordered });
  }

  async finish(key: string, report: ExecutionReport): Promise<void> {
    await writeJson(join(this.runs, key, 'report.json'), report);
  }

  async forget(key: string): Promise<void> {
    await rm(join(this.runs, key), { recursive: true, force: true });
  }

  /** The number after the last one that was ever used. */
  async nextSeq(): Promise<number> {
    const [used, batches] = await Promise.all([readJson(this.seqFile, SeqFile), this.loadBatches()]);
    return Math.max(used.kind === 'ok' ? used.value.seq : 0, ...batches.map((batch) => batch.seq)) + 1;
  }

  /** Signed batches that have not been acked, oldest first. */
  async loadBatches(): Promise<TaskResults[]> {
    const files = (await readdir(this.batches)).filter((file) => file.endsWith('.json'));
    const read = await Promise.all(files.map((file) => readJson(join(this.batches, file), TaskResults)));
    return read.flatMap((one) => (one.kind === 'ok' ? [one.value] : [])).toSorted((a, b) => a.seq - b.seq);
  }

  async saveBatch(batch: TaskResults): Promise<void> {
    await writeJson(this.batchFile(batch.seq), batch);
  }

  /** The number is written down as used before the batch that shows it goes. */
  async forgetBatch(seq: number): Promise<void> {
    await writeJson(this.seqFile, { seq });
    await rm(this.batchFile(seq), { force: true });
  }

  private get runs(): string {
    return join(this.root, 'runs');
  }

  private get batches(): string {
    return join(this.root, 'batches');
  }

  private get seqFile(): string {
    return join(this.root, 'seq.json');
  }

  private batchFile(seq: number): string {
    return join(this.batches, `${seq}.json`);
  }
}
