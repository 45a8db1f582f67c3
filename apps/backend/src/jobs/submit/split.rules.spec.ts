import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileTasks, matrixTasks, sliceLines, splitInputs } from './split.rules.js';

const bytes = fc.oneof(fc.string({ unit: 'binary' }).map((text) => Buffer.from(text, 'utf8')), fc.array(fc.constantFrom(10, 13, 65, 66, 255), { maxLength: 60 }).map((all) => Buffer.from(all)));

describe('splitting by lines', () => {
  it('gives parts that are the whole again, each of `chunk` lines but the last, numbered without a gap', () => {
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 5 }), (whole, chunk) => {
        const slices = sliceLines(whole, chunk);
        expect(Buffer.concat(slices.map((slice) => slice.bytes)).equals(whole)).toBe(true);
        slices.forEach((slice, index) => {
          expect(slice.fromLine).toBe(index * chunk + 1);
          const lines = slice.toLine - slice.fromLine + 1;
          if (index < slices.length - 1) expect(lines).toBe(chunk);
          else expect(lines >= 1 && lines <= chunk).toBe(true);
          expect(slice.bytes.filter((byte) => byte === 10).length).toBe(slice.bytes.at(-1) === 10 ? lines : lines - 1);
        });
      }),
      { numRuns: 1_000 },
    );
  });

  it('counts as an editor does', () => {
    const lines = (text: string, chunk: number) => sliceLines(Buffer.from(text), chunk).map((slice) => [slice.fromLine, slice.toLine, Buffer.from(slice.bytes).toString()]);
    expect(lines('a\nb\nc', 2)).toEqual([[1, 2, 'a\nb\n'], [3, 3, 'c']]);
    expect(lines('a\nb\n', 2)).toEqual([[1, 2, 'a\nb\n']]);
    expect(lines('\n\n', 1)).toEqual([[1, 1, '\n'], [2, 2, '\n']]);
    expect(lines('', 3)).toEqual([]);
  });
});

describe('a matrix', () => {
  it('has every combination once, the last axis moving fastest', () => {
    expect(matrixTasks({ seed: ['1', '2'], mode: ['a', 'b'] }).map((task) => [task.index, task.label, task.environment])).toEqual([
      [0, 'seed=1 mode=a', { SEED: '1', MODE: 'a' }], [1, 'seed=1 mode=b', { SEED: '1', MODE: 'b' }],
      [2, 'seed=2 mode=a', { SEED: '2', MODE: 'a' }], [3, 'seed=2 mode=b', { SEED: '2', MODE: 'b' }],
    ]);
  });

  it('has as many tasks as the product of its axes', () => {
    fc.assert(
      fc.property(fc.array(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 }), (axes) => {
        const tasks = matrixTasks(Object.fromEntries(axes.map((values, index) => [`axis${index}`, values])));
        expect(tasks.length).toBe(axes.reduce((product, values) => product * values.length, 1));
        expect(new Set(tasks.map((task) => JSON.stringify(task.environment))).size).toBe(tasks.length);
      }),
    );
  });
});

describe('splitting by files', () => {
  it('takes the files below the folder, by path, each once', () => {
    const tasks = fileTasks(['in/b', 'in/a', 'other/c', 'in/deep/d', 'index'], 'in', 2);
    expect(tasks.map((task) => task.part)).toEqual([{ kind: 'files', path: 'in', files: ['in/a', 'in/b'] }, { kind: 'files', path: 'in', files: ['in/deep/d'] }]);
    expect(tasks.map((task) => task.label)).toEqual(['in/a … in/b', 'in/deep/d']);
  });
});

it('is refused past the most tasks that a job may have', () => {
  const lines = Buffer.from('\n'.repeat(100_001));
  expect(splitInputs({ kind: 'split', by: 'lines', path: 'x', chunk: 1 }, [], lines)).toBeNull();
  expect(splitInputs({ kind: 'split', by: 'lines', path: 'x', chunk: 2 }, [], lines)?.length).toBe(50_001);
});
