import { makeProblem, ProblemError } from '@muster/shared-types';
import { z } from 'zod';

/** One page of a list; `next` is the cursor of the following one, null at the end. */
export interface Page<T> {
  items: T[];
  next: string | null;
}

/** Where a page ended: the value that the list is ordered by, then the id that breaks ties. */
export type Position = readonly [key: string, id: string];

export const writeCursor = (position: Position): string => Buffer.from(JSON.stringify(position)).toString('base64url');

export interface CursorForm {
  key: z.ZodType<string>;
  id: z.ZodType<string>;
}
const TIME_AND_UUID: CursorForm = { key: z.iso.datetime(), id: z.uuid() };

/** Undefined without a cursor. Throws `invalid_request` on one that this list did not write. */
export function readCursor(cursor: string | undefined, form: CursorForm = TIME_AND_UUID): Position | undefined {
  if (cursor === undefined) return undefined;
  const parsed = z.tuple([form.key, form.id]).safeParse(decoded(cursor));
  if (parsed.success) return parsed.data;
  const errors = [{ path: 'query.cursor', message: 'must be the `next` of an earlier page' }];
  throw new ProblemError(makeProblem('invalid_request', { detail: 'See errors', errors }));
}

function decoded(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
