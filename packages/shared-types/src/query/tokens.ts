import type { Parsed, Span } from './ast.js';

export type TokenKind = 'word' | 'quoted' | 'op' | '[' | ']' | ',' | 'end';

export interface Token extends Span {
  kind: TokenKind;
  /** Of quoted text without its quotes. */
  text: string;
}

const OPERATORS: readonly string[] = ['<=', '>=', '!=', '==', '<', '>', '='];
const isOperatorLetter = (letter: string): boolean => '<>=!'.includes(letter);
const isSpace = (letter: string): boolean => /\s/.test(letter);
const endsWord = (letter: string): boolean => isSpace(letter) || isOperatorLetter(letter) || '[],"\''.includes(letter);

/** Takes the text apart. The last token is `end`, so that a missing value has a place too. */
export function tokensOf(text: string): Parsed<Token[]> {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const letter = text.charAt(at);
    if (isSpace(letter)) {
      at += 1;
      continue;
    }
    const token = tokenAt(text, at);
    if (!token.ok) return token;
    tokens.push(token.value);
    at = token.value.end;
  }
  tokens.push({ kind: 'end', text: '', start: text.length, end: text.length });
  return { ok: true, value: tokens };
}

function tokenAt(text: string, start: number): Parsed<Token> {
  const letter = text.charAt(start);
  if (letter === '[' || letter === ']' || letter === ',') return { ok: true, value: { kind: letter, text: letter, start, end: start + 1 } };
  if (letter === '"' || letter === "'") return quotedAt(text, start, letter);
  return isOperatorLetter(letter) ? operatorAt(text, start) : wordAt(text, start);
}

function wordAt(text: string, start: number): Parsed<Token> {
  let end = start;
  while (end < text.length && !endsWord(text.charAt(end))) end += 1;
  return { ok: true, value: { kind: 'word', text: text.slice(start, end), start, end } };
}

function operatorAt(text: string, start: number): Parsed<Token> {
  let end = start;
  while (end < text.length && isOperatorLetter(text.charAt(end))) end += 1;
  const operator = text.slice(start, end);
  if (OPERATORS.includes(operator)) return { ok: true, value: { kind: 'op', text: operator, start, end } };
  const suggestion = ({ '=<': '<=', '=>': '>=', '<>': '!=', '!': '!=', '=!': '!=', '===': '=', '!==': '!=' } as Record<string, string>)[operator];
  return { ok: false, error: { message: `${operator} is not an operator; there are = != < <= > >= in notin`, start, end, ...(suggestion && { suggestion }) } };
}

/** `\"` and `\\` stand for themselves. */
function quotedAt(text: string, start: number, quote: string): Parsed<Token> {
  let value = '';
  for (let at = start + 1; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (letter === quote) return { ok: true, value: { kind: 'quoted', text: value, start, end: at + 1 } };
    if (letter === '\\' && at + 1 < text.length) {
      at += 1;
      value += text.charAt(at);
    } else value += letter;
  }
  return { ok: false, error: { message: `the quotation that begins here has no closing ${quote}`, start, end: text.length } };
}
