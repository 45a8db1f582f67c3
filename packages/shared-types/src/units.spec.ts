import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatUsd, parseBytes, parseDurationS, parseUsd, UsdInput, UsdString } from './units.js';

describe('money', () => {
  it('survives the wire unchanged', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }), (micro) => {
        expect(UsdString.parse(formatUsd(micro))).toBe(formatUsd(micro));
        expect(parseUsd(formatUsd(micro))).toBe(micro);
      }),
    );
  });

  it.each([
    [0n, '0.000000'],
    [1n, '0.000001'],
    [-1n, '-0.000001'],
    [12_340_000n, '12.340000'],
    [1_000_000_000_000n, '1000000.000000'],
  ])('%s micro-dollars are %s', (micro, text) => expect(formatUsd(micro)).toBe(text));

  it.each(['', '.5', '1.', '1.2345678', '1e3', '0x10', ' 1', '1,5', '--1', 'NaN'])('%j is no amount', (text) => {
    expect(() => parseUsd(text)).toThrow(RangeError);
    expect(UsdInput.safeParse(text).success).toBe(false);
  });

  it('a person cannot type a negative amount', () => expect(UsdInput.safeParse('-1').success).toBe(false));
});

describe('durations and sizes', () => {
  it.each([
    ['90', 90],
    ['90s', 90],
    ['15m', 900],
    ['2h', 7200],
    ['1d', 86_400],
    ['', undefined],
    ['2w', undefined],
    ['-1', undefined],
    ['1.5h', undefined],
  ])('%j is %s seconds', (text, seconds) => expect(parseDurationS(text)).toBe(seconds));

  it.each([
    ['512m', 512 * 2 ** 20],
    ['16g', 16 * 2 ** 30],
    ['16GB', 16 * 2 ** 30],
    ['1024', 1024],
    ['2t', 2 * 2 ** 40],
    ['16 g', undefined],
    ['', undefined],
  ])('%j is %s bytes', (text, bytes) => expect(parseBytes(text)).toBe(bytes));
});
