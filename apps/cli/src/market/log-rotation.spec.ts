import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { rotateOnce } from './log-rotation.js';

it('keeps a log bounded while its writer goes on appending', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-log-'));
  const file = join(folder, 'gate.log');
  await writeFile(file, 'x'.repeat(100));
  await writeFile(join(folder, 'notes.txt'), 'x'.repeat(100));
  await rotateOnce(folder, 50);
  await appendFile(file, 'after');
  expect(await readFile(file, 'utf8')).toBe('after');
  expect((await stat(`${file}.1`)).size).toBe(100);
  expect((await stat(join(folder, 'notes.txt'))).size).toBe(100);
  await rm(folder, { recursive: true });
});
