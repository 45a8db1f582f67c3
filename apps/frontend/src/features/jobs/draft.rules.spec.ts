import { describe, expect, it } from 'vitest';
import { JobSubmission } from '@muster/shared-types';
import { checkDraft, FIRST_DRAFT, submissionOf } from './draft.rules';

const GOOD = { ...FIRST_DRAFT, name: 'greet', image: 'muster/workspace', command: 'echo hello' };

describe('a job from the form', () => {
  it('is one that the market takes', () => {
    const checked = checkDraft(GOOD);
    expect(checked.ok && JobSubmission.parse(checked.submission)).toMatchObject({ command: ['echo', 'hello'], redundancy: 3, consensus: 2, max_copies: 7, memory_mb: 512 });
  });

  it('a matrix and a split', () => {
    expect(submissionOf({ ...GOOD, plan: 'matrix', axes: 'SEED: 1, 2,3\nMODE: a' }).tasks).toEqual({ kind: 'matrix', axes: { SEED: ['1', '2', '3'], MODE: ['a'] } });
    expect(submissionOf({ ...GOOD, plan: 'lines', input: 'a\nb', chunk: '1' }).tasks).toEqual({ kind: 'split', by: 'lines', path: 'data', chunk: 1 });
  });

  it.each([
    ['name', { name: '' }], ['image', { image: ' ' }], ['command', { command: 'echo "' }], ['consensus', { consensus: '4' }], ['redundancy', { redundancy: 'x' }], ['memory', { memory: '' }], ['maxPrice', { maxPrice: 'much' }], ['axes', { plan: 'matrix' as const, axes: '1x: a' }], ['input', { plan: 'lines' as const }],
  ])('says where: %s', (field, change) => {
    const checked = checkDraft({ ...GOOD, ...change });
    expect(checked.ok ? [] : Object.keys(checked.errors)).toContain(field);
  });
});
