import { describe, expect, it } from 'vitest';
import { Gather } from './gather.js';

describe('gathered calls', () => {
  it('are answered by one load, in the order of the calls, doubles included', async () => {
    const rounds: string[][] = [];
    const gather = new Gather<string, string>((keys) => {
      rounds.push([...keys]);
      return Promise.resolve(keys.map((key, index) => `${key}${index}`));
    });
    expect(await Promise.all(['a', 'b', 'a'].map((key) => gather.get(key)))).toEqual(['a0', 'b1', 'a2']);
    expect(await gather.get('c')).toBe('c0');
    expect(rounds).toEqual([['a', 'b', 'a'], ['c']]);
  });

  it('fail together, and the next round is another one', async () => {
    let fails = true;
    const gather = new Gather<number, number>((keys) => (fails ? Promise.reject(new Error('away')) : Promise.resolve([...keys])));
    const both = await Promise.allSettled([gather.get(1), gather.get(2)]);
    expect(both.map((one) => one.status)).toEqual(['rejected', 'rejected']);
    fails = false;
    expect(await gather.get(3)).toBe(3);
  });

  it('of a full round start the next one at once', async () => {
    const sizes: number[] = [];
    const gather = new Gather<number, number>((keys) => {
      sizes.push(keys.length);
      return Promise.resolve([...keys]);
    });
    const keys = Array.from({ length: 2_500 }, (_, n) => n);
    expect(await Promise.all(keys.map((key) => gather.get(key)))).toEqual(keys);
    expect(sizes).toEqual([1_000, 1_000, 500]);
  });
});
