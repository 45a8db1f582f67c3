export interface FieldError {
  path: string;
  message: string;
}

const MAX_DEPTH = 64;
/** A lone half of a surrogate pair: `u` makes whole pairs one character, so only halves match. */
const NOT_TEXT = /\u0000|\p{Surrogate}/u;

interface Place {
  value: unknown;
  path: string;
  depth: number;
}

/**
 * Strings that Postgres cannot keep (NUL, half a surrogate pair), in values and names, and nesting that no contract needs.
 * Walks with a list of its own: what is sent may be nested deeper than the call stack.
 */
export function unstorable(input: Record<string, unknown>): FieldError[] {
  const open: Place[] = Object.entries(input).map(([path, value]) => ({ value, path, depth: 0 }));
  for (let place = open.pop(); place; place = open.pop()) {
    const { value, path, depth } = place;
    if (typeof value === 'string' && NOT_TEXT.test(value)) return [{ path, message: 'must be text: no NUL, no half characters' }];
    if (value === null || typeof value !== 'object') continue;
    if (depth > MAX_DEPTH) return [{ path: path.split('.', 3).join('.'), message: 'is nested too deeply' }];
    for (const [name, inner] of Object.entries(value)) {
      if (NOT_TEXT.test(name)) return [{ path, message: 'has a field whose name is not text' }];
      open.push({ value: inner, path: `${path}.${name}`, depth: depth + 1 });
    }
  }
  return [];
}
