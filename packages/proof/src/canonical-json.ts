/** What canonical JSON can express. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Canonical JSON (RFC 8785): one value has one text, so that a hash or signature over it can be made anywhere.
 * Throws TypeError, naming the path, for what JSON does not have: undefined, NaN, infinities, bigints, functions,
 * lone surrogates, holes in arrays, cycles, and objects that are not plain (a Date would lose what it is).
 */
export function canonicalJson(value: JsonValue): string {
  return write(value, '$', []);
}

function write(value: unknown, path: string, parents: readonly object[]): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return writeNumber(value, path);
  if (typeof value === 'string') return writeString(value, path);
  if (typeof value !== 'object') throw new TypeError(`${path} is not JSON: ${typeof value}`);
  if (parents.includes(value)) throw new TypeError(`${path} is not JSON: it contains itself`);
  const within = [...parents, value];
  return Array.isArray(value) ? writeArray(value, path, within) : writeObject(value, path, within);
}

/** ECMAScript's own number text is the one that RFC 8785 §3.2.2.3 asks for; −0 is written 0. */
function writeNumber(value: number, path: string): string {
  if (!Number.isFinite(value)) throw new TypeError(`${path} is not JSON: ${value}`);
  return JSON.stringify(value);
}

function writeString(value: string, path: string): string {
  if (LONE_SURROGATE.test(value)) throw new TypeError(`${path} is not JSON: half of a surrogate pair`);
  return JSON.stringify(value);
}

function writeArray(values: readonly unknown[], path: string, parents: readonly object[]): string {
  // Array.from also visits holes, which then fail as undefined.
  return `[${Array.from(values, (item, index) => write(item, `${path}[${index}]`, parents)).join(',')}]`;
}

function writeObject(value: object, path: string, parents: readonly object[]): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError(`${path} is not JSON: not a plain object`);
  // The default order of sort() is by UTF-16 code units, as RFC 8785 §3.2.3 asks.
  const keys = Object.keys(value).toSorted();
  const members = keys.map((key) => `${writeString(key, path)}:${write((value as Record<string, unknown>)[key], `${path}.${key}`, parents)}`);
  return `{${members.join(',')}}`;
}
