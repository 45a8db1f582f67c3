import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mayBeLeftOut, sharedData } from '../test/shared-data.js';
import { canonicalJson, type JsonValue } from './canonical-json.js';
import { sha256OfJson } from './sha256.js';

const vectors = sharedData('vectors', 'jcs');

describe('canonical JSON', () => {
  it.each<[JsonValue, string]>([
    [{ b: 1, a: [true, null] }, '{"a":[true,null],"b":1}'],
    [{ '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }, '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}'],
    [[-0, 1e21, 1e-7, 333333333.3333333, 4.5, 2e-3], '[0,1e+21,1e-7,333333333.3333333,4.5,0.002]'],
    ['\u000f\n"\\/\u2028', '"\\u000f\\n\\"\\\\/\u2028"'],
    [JSON.parse('{"__proto__":1}') as JsonValue, '{"__proto__":1}'],
  ])('of %j', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  it.each<[unknown, RegExp]>([
    [{ a: [1, undefined] }, /\$\.a\[1\] is not JSON/],
    [Number.NaN, /NaN/],
    [[Infinity], /\$\[0\]/],
    [1n, /bigint/],
    [new Date(0), /not a plain object/],
    ['\ud800', /surrogate/],
    [{ '\udc00': 1 }, /surrogate/],
    [Array.from({ length: 1 }), /undefined/],
  ])('refuses %o', (value, message) => {
    expect(() => canonicalJson(value as JsonValue)).toThrow(message);
  });

  it('refuses what contains itself, and takes what merely stands twice', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    expect(() => canonicalJson(loop as JsonValue)).toThrow(/contains itself/);
    const twice = { a: 1 };
    expect(canonicalJson([twice, twice])).toBe('[{"a":1},{"a":1}]');
  });

  it('keeps the value, and does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as JsonValue);
        const again = JSON.parse(text) as JsonValue;
        expect(again).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(again))).toBe(text);
      }),
    );
  });

  it('gives equal values equal hashes', () => {
    expect(sha256OfJson({ a: 1, b: 2 })).toBe(sha256OfJson({ b: 2, a: 1 }));
  });
});

describe.skipIf(mayBeLeftOut(vectors))('published vectors of RFC 8785 (needs the shared data folder)', () => {
  it('come out byte for byte', () => {
    const names = readdirSync(join(vectors, 'input'));
    expect(names.length).toBeGreaterThanOrEqual(6);
    for (const name of names) {
      const input = JSON.parse(readFileSync(join(vectors, 'input', name), 'utf8')) as JsonValue;
      expect(canonicalJson(input), name).toBe(readFileSync(join(vectors, 'output', name), 'utf8').trimEnd());
    }
  });
});

function reversed(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as JsonValue[]).map(reversed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, item]) => [key, reversed(item)]));
}
