import { type Clause, formatClause, formatQuery, parseOrder, parseQuery, type Query, type QueryError, type QueryFieldName, type QueryOp } from '@muster/shared-types';
import type { RequestOf } from '@/lib/query-key';

/** What the address of the page says: a query of the search language, and an order. */
export interface Search {
  q: string;
  order: string;
}

export const readSearch = (params: { get(name: string): string | null }): Search => ({ q: params.get('q')?.trim() ?? '', order: params.get('order')?.trim() ?? '' });

/** The query part of the page's address, in one fixed order. */
export function writeSearch({ q, order }: Search): string {
  const params = new URLSearchParams();
  if (q.trim() !== '') params.set('q', q.trim());
  if (order !== '') params.set('order', order);
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

/** Clauses that can be read, or what is wrong and where. */
export function readQuery(q: string): { query: Query; error: QueryError | undefined } {
  const parsed = parseQuery(q);
  return parsed.ok ? { query: parsed.value, error: undefined } : { query: { clauses: [] }, error: parsed.error };
}

/** The field and operator that a control of the filter bar stands for. */
export interface Control {
  field: QueryFieldName;
  op: QueryOp;
}

export const CONTROLS = {
  gpu: { field: 'gpu_name', op: '=' },
  gpus: { field: 'num_gpus', op: '=' },
  cpu: { field: 'cpu_cores', op: '>=' },
  ram: { field: 'cpu_ram_mb', op: '>=' },
  price: { field: 'dph_total', op: '<=' },
  reliability: { field: 'reliability', op: '>=' },
} as const satisfies Record<string, Control>;
export type ControlName = keyof typeof CONTROLS;

const isOf = (clause: Clause, { field, op }: Control): boolean => clause.field === field && clause.op === op;

/** What a control shows: the value of its clause, '' without one. */
export function valueOf(query: Query, control: Control): string {
  const value = query.clauses.find((clause) => isOf(clause, control))?.values[0];
  return value === undefined ? '' : String(value);
}

/** The query with the control's clause set, or taken away. Undefined: no such value for this field. */
export function withValue(query: Query, control: Control, value: string): string | undefined {
  const rest = query.clauses.filter((clause) => !isOf(clause, control));
  if (value.trim() === '') return formatQuery({ clauses: rest });
  const clause: Clause = { field: control.field, op: control.op, values: [value.trim()] };
  const text = formatQuery({ clauses: [...rest, clause] });
  return parseQuery(text).ok ? text : undefined;
}

/** The model that prices are wanted of: '' = of all. */
export function modelOf(q: string): string {
  const { query } = readQuery(q);
  return valueOf(query, CONTROLS.gpus) === '0' ? 'cpu' : valueOf(query, CONTROLS.gpu).replaceAll(' ', '_');
}

/** The query with this model in place of another; null: without a GPU. */
export function withModel(q: string, model: string | null): string {
  const { query } = readQuery(q);
  const rest = query.clauses.filter((clause) => !isOf(clause, CONTROLS.gpu) && !isOf(clause, CONTROLS.gpus));
  return withValue({ clauses: rest }, model === null ? CONTROLS.gpus : CONTROLS.gpu, model ?? '0') ?? q;
}

export const chipsOf = (query: Query): { text: string; without: string }[] =>
  query.clauses.map((clause, index) => ({ text: formatClause(clause), without: formatQuery({ clauses: query.clauses.filter((_, other) => other !== index) }) }));

export const PAGE = 200;

export function searchOf({ q, order }: Search, cursor?: string): RequestOf<'searchOffers'> {
  return { query: { limit: PAGE, ...(q !== '' && { q }), ...(order !== '' && { order }), ...(cursor !== undefined && { cursor }) } };
}

/** Which way a column is ordered, when it is the first field of the order. */
export function directionOf(order: string, field: QueryFieldName): 'ascending' | 'descending' | 'none' {
  const parsed = parseOrder(order === '' ? 'dph_total' : order);
  const first = parsed.ok ? parsed.value[0] : undefined;
  return first?.field === field ? (first.descending ? 'descending' : 'ascending') : 'none';
}

/** Pressing a column's title: this field first, best first; again, the other way. */
export function nextOrder(order: string, field: QueryFieldName, bestFirst: 'ascending' | 'descending'): string {
  const now = directionOf(order, field);
  const next = now === 'none' ? bestFirst : now === 'ascending' ? 'descending' : 'ascending';
  const text = `${field}${next === 'descending' ? '-' : ''}`;
  return text === 'dph_total' ? '' : text;
}
