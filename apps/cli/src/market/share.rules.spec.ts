import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharesOf, sharingWords } from './share.rules.js';

describe('the parts of a machine that several nodes share', () => {
  it('are equal, the rest of the CPUs going to the first', () => {
    expect(sharesOf({ cpus: 8, ramMb: 32_768 }, 3)).toEqual([{ cpus: 3, ramMb: 9830 }, { cpus: 3, ramMb: 9830 }, { cpus: 2, ramMb: 9830 }]);
  });

  it('have one vCPU each on a machine with fewer, which is said', () => {
    const machine = { cpus: 2, ramMb: 8192 };
    expect(sharesOf(machine, 3).map(({ cpus }) => cpus)).toEqual([1, 1, 1]);
    expect(sharingWords(machine, 3)).toBe('3 nodes offer 3 vCPU of a machine that has 2: full at once, each is slower');
    expect(sharingWords(machine, 1)).toBeNull();
  });

  it('never promise memory twice, nor CPU where there is enough', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 256 }), fc.integer({ min: 4096, max: 1_000_000 }), fc.integer({ min: 2, max: 9 }), (cpus, ramMb, nodes) => {
        const shares = sharesOf({ cpus, ramMb }, nodes);
        expect(shares.reduce((sum, share) => sum + share.ramMb, 0)).toBeLessThan(ramMb);
        expect(shares.reduce((sum, share) => sum + share.cpus, 0)).toBe(Math.max(cpus, nodes));
      }),
    );
  });
});
