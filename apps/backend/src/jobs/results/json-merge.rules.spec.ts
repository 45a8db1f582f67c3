import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutJson } from './json-merge.rules.js';

const rebuilt = (text: string): unknown => {
  const json = cutJson(text);
  if (json?.kind === 'array') return JSON.parse(`[${json.items}]`);
  if (json?.kind === 'object') return JSON.parse(`{${json.members.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`);
  return json;
};

describe('cutJson', () => {
  it('loses nothing of an object or array, however it is written', () => {
    const value = fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()));
    fc.assert(fc.property(value, fc.constantFrom(0, 2, '\t'), (one, space) => {
      const text = ` \n${JSON.stringify(one, null, space)}\n`;
      expect(rebuilt(text)).toEqual(JSON.parse(text));
    }));
  });

  it.each([
    ['{}', { kind: 'object', members: [] }],
    ['{"a":1}', { kind: 'object', members: [['a', '1']] }],
    ['{ "a" : 12345678901234567890.00 , "b":"},{\\"" }', { kind: 'object', members: [['a', '12345678901234567890.00'], ['b', '"},{\\""']] }],
    ['{"a:\\u0062":{"x":[1,{"y":"]"}]},"a:b":null}', { kind: 'object', members: [['a:b', '{"x":[1,{"y":"]"}]}'], ['a:b', 'null']] }],
    ['[]', { kind: 'array', items: '' }],
    ['[1, [2]]\n', { kind: 'array', items: '1, [2]' }],
    ['3', { kind: 'other' }],
    ['"[1]"', { kind: 'other' }],
  ])('%s', (text, wanted) => expect(cutJson(text)).toEqual(wanted));

  it.each(['', '{', 'abc', '[1,]', '{"a":1}{"b":2}', '\ufeff{}', "{'a':1}"])('%j is no JSON', (text) => expect(cutJson(text)).toBeUndefined());
});
