import type { OrderKey, Parsed } from './ast.js';
import { fieldOf, isQueryField, QUERY_FIELD_NAMES } from './fields.js';
import { nearestName } from './nearest.js';

export const DEFAULT_ORDER: readonly OrderKey[] = [{ field: 'dph_total', descending: false }];
const MOST_KEYS = 8;

/** `dph_total,reliability-`: cheapest first, and of equal prices the most reliable first. A sign may also stand before the name. */
export function parseOrder(text: string): Parsed<OrderKey[]> {
  const keys: OrderKey[] = [];
  let start = 0;
  for (const part of text.split(',')) {
    const key = orderKey(part, start);
    if (!key.ok) return key;
    if (!keys.some((known) => known.field === key.value.field)) keys.push(key.value);
    if (keys.length > MOST_KEYS) return { ok: false, error: { message: `an order has at most ${MOST_KEYS} fields`, start, end: text.length } };
    start += part.length + 1;
  }
  return { ok: true, value: keys };
}

function orderKey(part: string, offset: number): Parsed<OrderKey> {
  const typed = part.trim();
  const start = offset + part.indexOf(typed);
  const end = start + typed.length;
  const name = typed.replace(/^[+-]/, '').replace(/[+-]$/, '').toLowerCase();
  if (name === '') return { ok: false, error: { message: 'here should be a field, such as dph_total or reliability-', start, end } };
  if (!isQueryField(name)) {
    const near = nearestName(name, QUERY_FIELD_NAMES);
    return { ok: false, error: { message: `there is no field ${name}${near === undefined ? '' : `; did you mean ${near}?`}`, start, end, ...(near !== undefined && { suggestion: near }) } };
  }
  if (fieldOf(name).kind === 'flag') return { ok: false, error: { message: `${name} is true or false; order by something else`, start, end } };
  return { ok: true, value: { field: name, descending: typed.startsWith('-') || typed.endsWith('-') } };
}
