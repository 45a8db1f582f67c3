import type { Clause, Parsed, Query, QueryError, QueryOp } from './ast.js';
import { fieldOf, isQueryField, QUERY_FIELD_NAMES, type QueryField, type QueryFieldName } from './fields.js';
import { literalOf } from './literal.js';
import { nearestName } from './nearest.js';
import { tokensOf, type Token } from './tokens.js';

export const QUERY_LIMITS = { chars: 2_000, clauses: 50, listValues: 100 } as const;

type Comparator = Exclude<QueryOp, 'any'>;
const BY_SIGN: Readonly<Record<string, Comparator>> = { '=': '=', '==': '=', '!=': '!=', '<': '<', '<=': '<=', '>': '>', '>=': '>=' };
const BY_WORD: Readonly<Record<string, Comparator>> = { in: 'in', notin: 'notin', nin: 'notin', eq: '=', neq: '!=', lt: '<', lte: '<=', gt: '>', gte: '>=' };

/**
 * `num_gpus=1 gpu_name=RTX_4090 reliability>0.98 dph_total<=0.5 geolocation in [DE,NL]`: comparisons one after another, all must
 * hold. Operators `= != < <= > >= in notin` (also `==`, `not in`, `lt`, `gte`, …); `_` is a space in text; `"…"` for anything else;
 * `field=any` asks nothing. The first fault comes back with its place in the text.
 */
export function parseQuery(text: string): Parsed<Query> {
  if (text.length > QUERY_LIMITS.chars) return fault({ start: QUERY_LIMITS.chars, end: text.length }, `a query has at most ${QUERY_LIMITS.chars} characters`);
  const tokens = tokensOf(text);
  return tokens.ok ? new Parser(tokens.value).query() : tokens;
}

type Fault = { ok: false; error: QueryError };
const fault = ({ start, end }: { start: number; end: number }, message: string, suggestion?: string): Fault => ({
  ok: false,
  error: { message, start, end, ...(suggestion !== undefined && { suggestion }) },
});

class Parser {
  #next = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  query(): Parsed<Query> {
    const clauses: Clause[] = [];
    for (let token = this.#peek(); token.kind !== 'end'; token = this.#peek()) {
      if (clauses.length === QUERY_LIMITS.clauses) return fault(token, `a query has at most ${QUERY_LIMITS.clauses} comparisons`);
      const clause = this.#clause();
      if (!clause.ok) return clause;
      clauses.push(clause.value);
    }
    return { ok: true, value: { clauses } };
  }

  #clause(): Parsed<Clause> {
    const name = this.#take();
    const field = fieldNamed(name);
    if (!field.ok) return field;
    const op = this.#operator(name);
    if (!op.ok) return op;
    const refused = refuseOperator(field.value, op.value.op, op.value.token);
    return refused ?? (op.value.op === 'in' || op.value.op === 'notin' ? this.#list(field.value, op.value.op) : this.#single(field.value, op.value.op));
  }

  #operator(name: Token): Parsed<{ op: Comparator; token: Token }> {
    const token = this.#take();
    const word = token.text.toLowerCase();
    if (token.kind === 'word' && word === 'not' && this.#peek().text.toLowerCase() === 'in') {
      const { end } = this.#take();
      return { ok: true, value: { op: 'notin', token: { ...token, end } } };
    }
    const known = token.kind === 'op' ? BY_SIGN[token.text] : token.kind === 'word' && Object.hasOwn(BY_WORD, word) ? BY_WORD[word] : undefined;
    if (known) return { ok: true, value: { op: known, token } };
    return fault(token, `after ${name.text} comes one of = != < <= > >= in notin`, token.kind === 'word' ? nearestName(word, Object.keys(BY_WORD)) : undefined);
  }

  #single(field: QueryFieldName, op: Comparator): Parsed<Clause> {
    const token = this.#take();
    if (token.kind === '[') return fault(token, `a list goes with in or notin: ${field} in [${fieldExample(field)}]`);
    if (token.kind === 'word' && token.text.toLowerCase() === 'any') {
      return op === '=' ? { ok: true, value: { field, op: 'any', values: [] } } : fault(token, `any goes with = only: ${field}=any`);
    }
    const value = valueOf(field, token);
    return value.ok ? { ok: true, value: { field, op, values: [value.value] } } : value;
  }

  #list(field: QueryFieldName, op: 'in' | 'notin'): Parsed<Clause> {
    const open = this.#take();
    if (open.kind !== '[') return fault(open, `${op} needs a list: ${field} ${op} [${fieldExample(field)}]`);
    const values: (string | boolean)[] = [];
    for (;;) {
      const token = this.#take();
      if (token.kind === ']' && values.length > 0) return { ok: true, value: { field, op, values } };
      if (token.kind === 'end') return fault({ start: open.start, end: token.end }, 'the list that begins here has no closing ]');
      if (values.length === QUERY_LIMITS.listValues) return fault(token, `a list has at most ${QUERY_LIMITS.listValues} values`);
      const value = valueOf(field, token);
      if (!value.ok) return value;
      values.push(value.value);
      if (this.#peek().kind === ',') this.#take();
    }
  }

  #peek(): Token {
    return this.tokens[this.#next] ?? END;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next = Math.min(this.#next + 1, this.tokens.length - 1);
    return token;
  }
}

const END: Token = { kind: 'end', text: '', start: 0, end: 0 };

function fieldNamed(token: Token): Parsed<QueryFieldName> {
  if (token.kind !== 'word') return fault(token, 'here begins a comparison: a field, an operator, a value');
  const name = token.text.toLowerCase();
  if (isQueryField(name)) return { ok: true, value: name };
  if (['and', '&&', 'or', '||', 'not'].includes(name)) return fault(token, 'comparisons stand one after another without words between them; all of them must hold');
  const near = nearestName(token.text, QUERY_FIELD_NAMES);
  return fault(token, `there is no field ${token.text}${near === undefined ? '' : `; did you mean ${near}?`}`, near);
}

function refuseOperator(name: QueryFieldName, op: Comparator, token: Token): Fault | undefined {
  const { kind } = fieldOf(name);
  if (kind === 'text' && ['<', '<=', '>', '>='].includes(op)) return fault(token, `${name} is text and goes with = != in notin`);
  if (kind === 'flag' && op !== '=' && op !== '!=') return fault(token, `${name} is true or false and goes with = or !=`);
  return undefined;
}

function valueOf(name: QueryFieldName, token: Token): Parsed<string | boolean> {
  const field = fieldOf(name);
  if (token.kind === 'end') return fault(token, `the value of ${name} is missing`);
  if (token.kind !== 'word' && token.kind !== 'quoted') return fault(token, `here should be a value of ${name}, such as ${fieldExample(name)}`);
  const value = literalOf(field, token.text);
  if (value !== undefined) return { ok: true, value };
  const near = field.values && nearestName(token.text, field.values);
  return fault(token, `${name} ${wants(field)}`, near);
}

function wants(field: QueryField): string {
  if (field.values) return `is one of ${field.values.join(', ')}`;
  const words = { number: 'is a number', version: 'is a version such as 535.86', flag: 'is true or false', text: 'is text' } as const;
  return words[field.kind] + (field.kind === 'number' && field.unit ? ` (${field.unit})` : '');
}

/** A value of the field, to show how one is written. */
export function fieldExample(name: QueryFieldName): string {
  const field = fieldOf(name);
  if (name === 'geolocation') return 'DE,NL';
  if (name === 'gpu_name') return 'RTX_4090,H100_SXM';
  return field.values?.[0] ?? { number: '1', version: '535.86', flag: 'true', text: 'name' }[field.kind];
}
