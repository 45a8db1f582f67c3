/** A JSON text, cut at its top level; numbers and spaces inside stay as they were written. */
export type Json = { kind: 'object'; members: [key: string, text: string][] } | { kind: 'array'; items: string } | { kind: 'other' };

/** Undefined for what is no JSON. */
export function cutJson(text: string): Json | undefined {
  if (!isJson(text)) return undefined;
  const trimmed = text.trim();
  if (trimmed.startsWith('[')) return { kind: 'array', items: trimmed.slice(1, -1).trim() };
  return trimmed.startsWith('{') ? { kind: 'object', members: membersOf(trimmed) } : { kind: 'other' };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** `text` is a JSON object, so every step may trust its form. */
function membersOf(text: string): [string, string][] {
  const members: [string, string][] = [];
  for (let at = text.indexOf('"', 1); at > 0; ) {
    const keyEnd = endOfString(text, at);
    const valueStart = text.indexOf(':', keyEnd) + 1;
    const valueEnd = endOfValue(text, valueStart);
    members.push([JSON.parse(text.slice(at, keyEnd)) as string, text.slice(valueStart, valueEnd).trim()]);
    at = text[valueEnd] === ',' ? text.indexOf('"', valueEnd) : 0;
  }
  return members;
}

/** Behind the closing quote. */
function endOfString(text: string, open: number): number {
  for (let at = open + 1; ; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
}

/** At the comma or bracket that ends the value. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; ) {
    const char = text[at] ?? '';
    if (char === '"') {
      at = endOfString(text, at);
      continue;
    }
    if (depth === 0 && (char === ',' || char === '}')) return at;
    if (char === '{' || char === '[') depth += 1;
    if (char === '}' || char === ']') depth -= 1;
    at += 1;
  }
}
