import { JobSubmission } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import { CliError } from '../output/exit-codes.js';
import { jobFileOf } from './job-file.js';

describe('a job.yaml', () => {
  it('is a submission, with numbers where text is meant', () => {
    const { submission, files } = jobFileOf(
      `
name: sums
docker_image: workspace
command: [seq, 3]
environment: { SEED: 7, FAST: true }
max_price_usd: 0.5
tasks:
  kind: matrix
  axes: { seed: 1..3, lr: [0.1, 0.2] }
`,
      '/jobs/job.yaml',
    );
    expect(JobSubmission.parse(submission)).toMatchObject({ command: ['seq', '3'], environment: { SEED: '7', FAST: 'true' }, max_price_usd: '0.5', tasks: { kind: 'matrix', axes: { seed: ['1', '2', '3'], lr: ['0.1', '0.2'] } } });
    expect(files).toEqual([]);
  });

  it('names files beside itself, which are sent', () => {
    const { submission, files } = jobFileOf(
      `
docker_image: workspace
inputs:
  - { kind: file, file: ./words.txt }
  - { kind: file, file: ../data, path: in }
  - { kind: inline, path: note, data: hi }
tasks: { kind: split, by: lines, path: words.txt, chunk: 10 }
`,
      '/jobs/split/job.yaml',
    );
    expect(files).toEqual([{ source: '/jobs/split/words.txt', path: 'words.txt' }, { source: '/jobs/data', path: 'in' }]);
    expect(submission).toMatchObject({ inputs: [{ kind: 'inline', path: 'note' }], tasks: { kind: 'split', chunk: 10 } });
  });

  it.each([
    ['name: [', 'job.yaml: '],
    ['just text', 'job.yaml: '],
    ['command: hello', 'command'],
  ])('%j is refused in words', (text, words) => {
    expect(() => jobFileOf(text, 'job.yaml')).toThrow(CliError);
    expect(() => jobFileOf(text, 'job.yaml')).toThrow(words);
  });
});
