import { z } from 'zod';
import { expect, it } from 'vitest';
import { readCursor, writeCursor } from './cursor.js';

it('comes back as it was written, and nothing else is taken', () => {
  const position = ['2026-01-01T00:00:00.000Z', '01890000-0000-7000-8000-000000000001'] as const;
  expect(readCursor(writeCursor(position))).toEqual(position);
  expect(readCursor(undefined)).toBeUndefined();
  for (const wrong of ['', 'nonsense', writeCursor(['yesterday', position[1]]), writeCursor([position[0], "' OR 1"])]) expect(() => readCursor(wrong)).toThrow('invalid_request');
  expect(readCursor(writeCursor(['120', 'x']), { key: z.string().regex(/^\d+$/), id: z.string() })).toEqual(['120', 'x']);
});
