import { appendFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';

/** A file to which every run of a larger one adds its counts, one JSON line each. */
const TALLY_VARIABLE = 'MUSTER_TEST_TALLY';

export interface Tally {
  passed: number;
  failed: number;
  skipped: string[];
}

/** What a skipped test must say, in its title or its note: `(needs an NVIDIA GPU)`. */
const NAMES_ITS_NEED = /\bneeds?\b/;

/** Prints every skipped test with its reason; a test skipped without one fails the run. */
export default class SkipReport implements Reporter {
  private vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    // A name filter (-t) skips everything else: that is not a skipped test.
    if (this.vitest?.config.testNamePattern) return;
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const skipped = tests.filter((test) => test.result().state === 'skipped');
    this.print(skipped);
    this.tally(tests, skipped);
  }

  private print(skipped: readonly TestCase[]): void {
    if (skipped.length > 0) this.vitest?.logger.log(`\n${skipped.length} skipped:\n${skipped.map((test) => `  - ${describe(test)}`).join('\n')}`);
    const unexplained = skipped.filter((test) => !NAMES_ITS_NEED.test(describe(test)));
    if (unexplained.length === 0) return;
    this.vitest?.logger.error(`skipped without saying what they need:\n${unexplained.map((test) => `  - ${describe(test)}`).join('\n')}`);
    process.exitCode = 1;
  }

  private tally(tests: readonly TestCase[], skipped: readonly TestCase[]): void {
    const file = process.env[TALLY_VARIABLE];
    if (!file) return;
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const tally: Tally = { passed: count('passed'), failed: count('failed'), skipped: skipped.map(describe) };
    appendFileSync(file, `${JSON.stringify(tally)}\n`);
  }
}

function describe(test: TestCase): string {
  const result = test.result();
  const note = result.state === 'skipped' && result.note ? ` — ${result.note}` : '';
  return `${test.fullName}${note}`;
}
