import type { QueryFieldName } from './fields.js';

/** `any`: whatever it is, as when the field was not named. */
export type QueryOp = '=' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'notin' | 'any';

/** One comparison. Numbers are decimals as text, so that none is rounded; lists have many values, everything else one, `any` none. */
export interface Clause {
  field: QueryFieldName;
  op: QueryOp;
  values: readonly (string | boolean)[];
}

/** All clauses must hold. */
export interface Query {
  clauses: readonly Clause[];
}

export interface OrderKey {
  field: QueryFieldName;
  descending: boolean;
}

/** Where in the text: `[start, end)`, in UTF-16 units as JavaScript and text fields of browsers count. */
export interface Span {
  start: number;
  end: number;
}

export interface QueryError extends Span {
  message: string;
  /** What was probably meant, to put in place of what is at the span. */
  suggestion?: string;
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; error: QueryError };
