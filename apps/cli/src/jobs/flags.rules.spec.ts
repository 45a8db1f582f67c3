import fc from 'fast-check';
import { JobSubmission } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import { CliError, EXIT } from '../output/exit-codes.js';
import { matrixOf, splitOf, submissionOf } from './flags.rules.js';

const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof CliError && error.exitCode === EXIT.usage) return error.message;
    throw error;
  }
  return 'nothing';
};

describe('what flags say', () => {
  it('is a submission that the market takes, named after what it runs', () => {
    const body = submissionOf({ image: 'workspace', cmd: ['echo', 'hello'] });
    expect(JobSubmission.parse(body)).toMatchObject({ name: 'workspace echo hello', docker_image: 'workspace', command: ['echo', 'hello'], redundancy: 3, consensus: 2, max_copies: 7 });
  });

  it('goes before what a file says, and beside it in the environment', () => {
    const file = { name: 'from file', docker_image: 'a', environment: { A: '1', B: '1' }, timeout_s: 60 };
    expect(submissionOf({ image: 'b', env: { B: '2' } }, file)).toMatchObject({ name: 'from file', docker_image: 'b', environment: { A: '1', B: '2' }, timeout_s: 60 });
  });

  it('is in the units of the wire', () => {
    const body = submissionOf({ image: 'a', cpu: '2', memory: '2g', gpu: '1', timeout: '2h', needs: ['cuda>=12, image:x', 'runtime:gvisor'], region: 'de', tolerance: '1e-9:1e-6', outputs: '/output/' });
    expect(body).toMatchObject({
      required_cpu: 2, memory_mb: 2048, num_gpus: 1, required_gpu: true, timeout_s: 7200, capabilities: ['cuda>=12', 'image:x', 'runtime:gvisor'],
      geolocation: 'DE', compare: { kind: 'tolerance', atol: 1e-9, rtol: 1e-6 }, outputs: '/output',
    });
  });

  it.each([
    [{ redundancy: '1' }, { redundancy: 1, consensus: 1, max_copies: 7 }],
    [{ redundancy: '9' }, { redundancy: 9, consensus: 2, max_copies: 9 }],
    [{ consensus: '4' }, { redundancy: 4, consensus: 4, max_copies: 7 }],
  ])('of copies, %j, completes the others', (flags, numbers) => expect(submissionOf({ image: 'a', ...flags })).toMatchObject(numbers));

  it.each([
    [{}, 'Which image?'],
    [{ image: 'a', cpu: '1.5' }, '--cpu 1.5'],
    [{ image: 'a', memory: '512' }, '--memory 512'],
    [{ image: 'a', timeout: 'soon' }, '--timeout soon'],
    [{ image: 'a', network: 'full' }, '--network full'],
    [{ image: 'a', outputs: '/data' }, '--outputs /data'],
    [{ image: 'a', tolerance: '1:2:3' }, '--tolerance'],
  ])('that cannot be, %j, is refused by its flag', (flags, words) => expect(refusal(() => submissionOf(flags))).toContain(words));
});

describe('a matrix', () => {
  it('has ranges and lists', () => {
    expect(matrixOf(['seed=-1..2', 'lr=0.1, 0.2', 'MODE=a'])).toEqual({ kind: 'matrix', axes: { seed: ['-1', '0', '1', '2'], lr: ['0.1', '0.2'], MODE: ['a'] } });
  });

  it('counts from first to last', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: 0, max: 500 }), (first, more) => {
        const plan = matrixOf([`n=${first}..${first + more}`]);
        expect(plan.kind === 'matrix' && plan.axes['n']?.map(Number)).toEqual(Array.from({ length: more + 1 }, (_, index) => first + index));
      }),
    );
  });

  it.each([['seed'], ['1seed=1'], ['seed=5..1'], ['seed=1..100001']])('%s is refused', (text) => expect(refusal(() => matrixOf([text]))).toContain(text));
  it('of too many combinations is refused', () => expect(refusal(() => matrixOf(['a=1..1000', 'b=1..1000']))).toContain('1000000 tasks'));
});

describe('a split', () => {
  it.each([
    ['lines:words.txt:10', { by: 'lines', source: 'words.txt', chunk: 10 }],
    ['files:a:b:2', { by: 'files', source: 'a:b', chunk: 2 }],
  ])('%s', (text, wish) => expect(splitOf(text)).toEqual(wish));
  it.each(['lines:words.txt', 'words:words.txt:10', 'lines::3', 'lines:x:0'])('%s is refused', (text) => expect(refusal(() => splitOf(text))).toContain(text));
});
