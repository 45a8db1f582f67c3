import { describe, expect, it } from 'vitest';
import { createIo } from './io.js';
import { duration, facts, table, usd } from './words.js';

const io = createIo({ stdout: { write: () => true }, stderr: { write: () => true }, stdin: {}, noColor: true, self: './muster' });

describe('money in words', () => {
  it.each([
    ['0.420000', '$0.42'],
    ['0.013700', '$0.0137'],
    ['0.000001', '$0.000001'],
    ['25.000000', '$25.00'],
    ['-1.500000', '−$1.50'],
    ['0.999999', '$0.999999'],
  ])('%s is %s, never rounded up', (wire, text) => expect(usd(wire)).toBe(text));
});

describe('durations', () => {
  it.each([
    [0, '0 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [90, '1 min 30 s'],
    [3599, '59 min'],
    [8040, '2 h 14 min'],
    [180_000, '2 d 2 h'],
    [-5, '0 s'],
  ])('%s seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));
});

describe('tables', () => {
  it('aligns columns and leaves no trailing blanks', () => {
    const text = table(io, [{ title: 'A' }, { title: 'B', align: 'right' }], [['x', '1'], ['long', '200']]);
    expect(text.split('\n').map((line) => line.trimEnd())).toEqual(text.split('\n'));
    expect(text).toContain('long  200');
  });

  it('aligns the names of facts', () => expect(facts(io, [['a', '1'], ['long', '2']])).toBe('a     1\nlong  2'));
});
