import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CliConfig, readConfig } from '../config.js';
import { remember, rememberFirst, resolveId, shortId } from './recall.js';

const A = '019aa000-0000-7000-8000-0000aaaaaaaa';
const B = '019aa000-0000-7000-8000-0000bbbbbbbb';

describe('what a typed number or id stands for', () => {
  let home: string;
  let config: CliConfig;
  const all = async () => [A, B];

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'muster-recall-'));
    config = readConfig({ HOME: home, PATH: '/bin' });
    await remember(config, 'rentals', [A, B]);
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  it.each([
    ['1', A],
    ['2', B],
    [A, A],
    [shortId('rental', B), B],
    ['bbbbbbbb', B],
  ])('%s', async (typed, id) => expect(await resolveId(config, 'rentals', typed, all)).toBe(id));

  it('a new rental is number 1 and the others move on', async () => {
    await rememberFirst(config, 'rentals', B);
    expect(await resolveId(config, 'rentals', '1', all)).toBe(B);
    expect(await resolveId(config, 'rentals', '2', all)).toBe(A);
  });

  it.each([
    ['7', 3, 'There is no number 7'],
    ['cccccccc', 3, 'Nothing of yours'],
    ['019aa0', 2, 'stands for 2 ids'],
    ['nonsense', 2, 'neither a number'],
  ])('%s is told in words with exit code %i', async (typed, exitCode, message) => {
    await expect(resolveId(config, 'rentals', typed, all)).rejects.toMatchObject({ exitCode, message: expect.stringContaining(message) });
  });
});
