import type { Offer } from '../entities/offer.js';
import type { Clause, OrderKey, Query, QueryOp } from './ast.js';
import { fieldOf, type QueryField, type QueryFieldName } from './fields.js';
import { canonicalNumber, folded, scaled, versionParts } from './literal.js';

/** A value as it is compared and stored: whole numbers of 10^-scale, folded text, parts of a version, a flag. */
export type Comparable = bigint | string | readonly number[] | boolean;

/** A clause as it is decided: by the evaluator here, and by the same words in SQL. */
export type Comparison =
  | { field: QueryFieldName; op: Exclude<QueryOp, 'any'>; values: readonly Comparable[] }
  /** Nothing can be equal to it: 0.5 GPUs. */
  | { field: QueryFieldName; op: 'never' };

/** What has to be decided; a clause that always holds is left out. */
export function comparisonsOf(query: Query): Comparison[] {
  return query.clauses.flatMap((clause) => comparisonOf(clause) ?? []);
}

function comparisonOf({ field, op, values }: Clause): Comparison | undefined {
  if (op === 'any') return undefined;
  const spec = fieldOf(field);
  if (spec.kind === 'number') return numberComparison(field, spec, op, values.map(String));
  return { field, op, values: values.map((value) => comparableOf(spec, value)) };
}

/** Every number is exact: one between two steps of the field is equal to nothing, and `<` it is `<=` the step below. */
function numberComparison(field: QueryFieldName, { scale }: QueryField, op: Exclude<QueryOp, 'any'>, texts: readonly string[]): Comparison | undefined {
  const all = texts.map((text) => scaled(text, scale));
  if (op === 'in' || op === 'notin' || op === '=' || op === '!=') {
    const values = all.filter(({ exact }) => exact).map(({ value }) => value);
    if (values.length > 0) return { field, op, values };
    return op === 'in' || op === '=' ? { field, op: 'never' } : undefined;
  }
  const values = all.map(({ value }) => value);
  if (all.every(({ exact }) => exact)) return { field, op, values };
  return { field, op: op === '<' || op === '<=' ? '<=' : '>', values };
}

function comparableOf(field: QueryField, value: string | boolean): Comparable {
  if (typeof value === 'boolean') return value;
  return field.kind === 'version' ? (versionParts(value) ?? []) : folded(value);
}

/** An offer's value of a field as it is compared; null where it has none. */
export function offerValue(offer: Offer, name: QueryFieldName): Comparable | null {
  const field = fieldOf(name);
  const fact = field.of(offer);
  if (fact === null || typeof fact === 'boolean') return fact;
  if (field.kind === 'number') return typeof fact === 'number' ? BigInt(Math.round(fact * 10 ** field.scale)) : scaled(canonicalNumber(fact) ?? '0', field.scale).value;
  return field.kind === 'version' ? (versionParts(String(fact)) ?? null) : folded(String(fact));
}

/** Whether the offer is among those that are asked for. */
export function matchesQuery(query: Query, offer: Offer): boolean {
  return comparisonsOf(query).every((comparison) => holds(comparison, offerValue(offer, comparison.field)));
}

/** A missing value is equal to nothing: only `!=` and `notin` hold of it. */
export function holds(comparison: Comparison, value: Comparable | null): boolean {
  if (comparison.op === 'never') return false;
  if (value === null) return comparison.op === '!=' || comparison.op === 'notin';
  const signs = comparison.values.map((wanted) => compareValues(value, wanted));
  switch (comparison.op) {
    case '=':
    case 'in':
      return signs.includes(0);
    case '!=':
    case 'notin':
      return !signs.includes(0);
    case '<':
      return signs.every((sign) => sign < 0);
    case '<=':
      return signs.every((sign) => sign <= 0);
    case '>':
      return signs.every((sign) => sign > 0);
    case '>=':
      return signs.every((sign) => sign >= 0);
  }
}

/** Text by code point and versions part by part, as Postgres does under collation "C" and with arrays. */
export function compareValues(a: Comparable, b: Comparable): number {
  if (typeof a === 'string' && typeof b === 'string') return compareLists([...a].map(codePoint), [...b].map(codePoint));
  if (typeof a === 'object' && typeof b === 'object') return compareLists(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

const codePoint = (letter: string): number => letter.codePointAt(0) ?? 0;

function compareLists(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((part, index) => part !== b[index]);
  if (differs === -1) return a.length === b.length ? 0 : -1;
  const other = b[differs];
  return other !== undefined && (a[differs] ?? 0) < other ? -1 : 1;
}

/** Orders offers: missing values come last either way, and the id breaks ties, so that pages never overlap. */
export function byOrder(order: readonly OrderKey[]): (a: Offer, b: Offer) => number {
  return (a, b) => {
    for (const { field, descending } of order) {
      const sign = compareMissingLast(offerValue(a, field), offerValue(b, field), descending);
      if (sign !== 0) return sign;
    }
    return compareValues(a.id, b.id);
  };
}

function compareMissingLast(a: Comparable | null, b: Comparable | null, descending: boolean): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return descending ? compareValues(b, a) : compareValues(a, b);
}
