import {
  canonicalNumber, comparisonsOf, DEFAULT_ORDER, fail, fieldOf, formatOrder, makeProblem, ok, offerValue, parseOrder, parseQuery, ProblemError,
  type Clause, type Comparable, type Comparison, type Offer, type OrderKey, type OperationInput, type operations, type Parsed, type QueryFieldName, type QueryOp, type Result,
} from '@muster/shared-types';
import { z } from 'zod';
import { plain } from './offer-columns.rules.js';

export type SearchQuery = OperationInput<typeof operations.searchOffers>['query'];

export interface SearchWish {
  comparisons: Comparison[];
  gpuPlain: string | null;
  order: readonly OrderKey[];
}

/** What is asked for: the query, and each of the separate parameters as one more comparison. */
export function wishOf(query: SearchQuery): Result<SearchWish> {
  const parsed = parseQuery(query.q ?? '');
  if (!parsed.ok) return refused('q', parsed);
  const order = query.order === undefined ? ({ ok: true, value: DEFAULT_ORDER } as const) : parseOrder(query.order);
  if (!order.ok) return refused('order', order);
  const comparisons = comparisonsOf({ clauses: [...parsed.value.clauses, ...separateClauses(query)] });
  return ok({ comparisons, gpuPlain: query.gpu === undefined ? null : plain(query.gpu), order: order.value });
}

function separateClauses(query: SearchQuery): Clause[] {
  const one = (field: QueryFieldName, op: QueryOp, value: number | string | undefined): Clause[] => {
    const number = value === undefined ? undefined : canonicalNumber(typeof value === 'number' ? value.toFixed(6) : value);
    return number === undefined ? [] : [{ field, op, values: [number] }];
  };
  return [
    ...one('dph_total', '<=', query.max_price),
    ...one('num_gpus', '=', query.num_gpus),
    ...one('cpu_cores', '>=', query.min_cpu_cores),
    ...one('cpu_ram_mb', '>=', query.min_ram_mb),
    ...one('reliability', '>=', query.min_reliability),
  ];
}

/** The fault with its place, for people in words and for programs as facts. */
function refused(name: 'q' | 'order', { error }: Extract<Parsed<unknown>, { ok: false }>): ReturnType<typeof fail> {
  const { message, start, end, suggestion } = error;
  return fail('invalid_request', {
    detail: `At character ${start + 1} of ${name}: ${message}`,
    errors: [{ path: `query.${name}`, message }],
    facts: { parameter: name, start: String(start), end: String(end), ...(suggestion !== undefined && { suggestion }) },
  });
}

/** The place of the last offer of a page in its order. */
export const positionOf = (order: readonly OrderKey[], offer: Offer): string =>
  Buffer.from(JSON.stringify([formatOrder(order), order.map(({ field }) => written(offerValue(offer, field))), offer.id])).toString('base64url');

const written = (value: Comparable | null): string | null => (value === null ? null : typeof value === 'object' ? value.join('.') : String(value));

const Cursor = z.tuple([z.string(), z.array(z.string().max(1_000).nullable()), z.string().max(120)]);

/** Throws `invalid_request` on a cursor that no page of this order has given. */
export function readPosition(cursor: string | undefined, order: readonly OrderKey[]): { values: (Comparable | null)[]; id: string } | undefined {
  if (cursor === undefined) return undefined;
  const parsed = Cursor.safeParse(decoded(cursor));
  const values = parsed.success && parsed.data[0] === formatOrder(order) ? order.map(({ field }, index) => readValue(field, parsed.data[1][index])) : [undefined];
  if (parsed.success && values.every((value) => value !== undefined)) return { values, id: parsed.data[2] };
  throw new ProblemError(makeProblem('invalid_request', { detail: 'See errors', errors: [{ path: 'query.cursor', message: 'must be the `next` of an earlier page in the same order' }] }));
}

function readValue(field: QueryFieldName, text: string | null | undefined): Comparable | null | undefined {
  if (text === null || text === undefined) return text;
  const { kind } = fieldOf(field);
  if (kind === 'number') return /^-?\d{1,18}$/.test(text) ? BigInt(text) : undefined;
  if (kind === 'version') return /^\d{1,9}(\.\d{1,9}){0,9}$/.test(text) ? text.split('.').map(Number) : undefined;
  return text;
}

function decoded(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
