import type { Clause, OrderKey, Query, QueryError } from './ast.js';

/** The query as text that parses to it again, in the shortest form. */
export const formatQuery = ({ clauses }: Query): string => clauses.map(formatClause).join(' ');

export function formatClause({ field, op, values }: Clause): string {
  if (op === 'any') return `${field}=any`;
  if (op === 'in' || op === 'notin') return `${field} ${op} [${values.map(formatValue).join(',')}]`;
  return `${field}${op}${values.map(formatValue).join('')}`;
}

const PLAIN = /^[A-Za-z0-9.:/@+()*%#-][A-Za-z0-9.:/@+()*%# -]*$/;

function formatValue(value: string | boolean): string {
  if (typeof value === 'boolean') return String(value);
  const plain = PLAIN.test(value) && value.toLowerCase() !== 'any';
  return plain ? value.replaceAll(' ', '_') : `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/** `dph_total,reliability-`. */
export const formatOrder = (order: readonly OrderKey[]): string => order.map(({ field, descending }) => `${field}${descending ? '-' : ''}`).join(',');

/** The fault under the text, for a terminal: the line, marks below what is wrong, and what to do. */
export function showQueryError(text: string, { start, end, message, suggestion }: QueryError): string {
  const marks = ' '.repeat(start) + '^'.repeat(Math.max(1, end - start));
  const hint = suggestion === undefined || message.includes(suggestion) ? '' : ` (did you mean ${suggestion}?)`;
  return `${text.replaceAll(/\s/g, ' ')}\n${marks}\n${message}${hint}`;
}
