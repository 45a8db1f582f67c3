import { describe, expect, it } from 'vitest';
import { count, duration, gb, gib, percent, plural, rate, relative, shortId, usd } from './format.rules';

const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

describe('figures for people', () => {
  it.each([
    ['0.420000', '$0.42'], ['12.000000', '$12.00'], ['-3.500000', '\u2212$3.50'], ['0.000001', '$0.000001'], ['1234567.100000', '$1,234,567.10'],
  ])('money %s is %s', (amount, text) => expect(usd(amount)).toBe(text));

  it('money is cut, never rounded up', () => {
    expect(usd('0.429999', 2)).toBe('$0.42');
    expect(usd('0.999999', 3)).toBe('$0.999');
  });

  it.each([['0.420000', '$0.42/h'], ['0.004321', '$0.0043/h'], ['1.234567', '$1.234/h']])('rate %s is %s', (amount, text) => expect(rate(amount)).toBe(text));

  it.each([
    [0, '0 s'], [59.9, '59 s'], [60, '1 min'], [552, '9 min 12 s'], [600, '10 min'], [8040, '2 h 14 min'], [266_400, '3 d 2 h'], [-5, '0 s'],
  ])('%d s is %s', (s, text) => expect(plain(duration(s))).toBe(text));

  it.each([[24_564, '24 GiB'], [512, '0.5 GiB'], [2_097_152, '2 TiB']])('%d MiB is %s', (mb, text) => expect(plain(gib(mb))).toBe(text));
  it('disk in powers of ten', () => expect([plain(gb(20)), plain(gb(1500))]).toEqual(['20 GB', '1.5 TB']));
  it('a ratio just below one never reads 100 %', () => expect(plain(percent(0.99999))).toBe('99.9 %'));
  it('counts, plurals, ids', () => expect([count(1234), plural(1, 'rental'), plural(2, 'rental'), shortId('node', '019aa000-0000-7000-8000-0000deadbeef')]).toEqual(['1,234', '1 rental', '2 rentals', 'node_deadbeef']));

  it('times from now', () => {
    const now = Date.parse('2026-11-21T12:00:00Z');
    expect(plain(relative('2026-11-21T11:59:30Z', now))).toBe('30 s ago');
    expect(plain(relative('2026-11-21T14:14:00Z', now))).toBe('in 2 h 14 min');
    expect(relative('2026-11-21T12:00:02Z', now)).toBe('now');
  });
});
