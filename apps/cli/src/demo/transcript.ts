import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say } from '../output/io.js';
import { seconds } from '../output/words.js';

export interface StepRecord {
  step: string;
  ok: boolean;
  ms: number;
  detail: string;
}

/** Runs the story step by step; the first step that is not true ends it. */
export class Transcript {
  readonly steps: StepRecord[] = [];

  constructor(private readonly io: Io) {}

  /** `work` returns what was seen, in words, beside its value. */
  async step<T>(name: string, work: () => Promise<{ value: T; seen: string }>): Promise<T> {
    const startedMs = performance.now();
    try {
      const { value, seen } = await work();
      this.record(name, true, startedMs, seen);
      return value;
    } catch (error) {
      this.record(name, false, startedMs, error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  private record(step: string, ok: boolean, startedMs: number, detail: string): void {
    const ms = Math.round(performance.now() - startedMs);
    this.steps.push({ step, ok, ms, detail });
    const mark = ok ? this.io.paint.green('✓') : this.io.paint.red('✗');
    say(this.io, `${mark} ${step.padEnd(34)} ${seconds(ms).padStart(7)}  ${this.io.paint.dim(detail)}`);
  }
}

/** A claim of the story that has to be true. */
export function must(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new CliError(otherwise, EXIT.failed);
}
