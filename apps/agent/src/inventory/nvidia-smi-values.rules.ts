/** An element of the parsed document: text, or elements by name. */
export type XmlNode = string | XmlNode[] | { [name: string]: XmlNode } | undefined;

const LOST = /\bGPU is lost\b/i;
/** What nvidia-smi writes where a value should be when it has none. */
const NO_VALUE = /^(\[?N\/A\]?|\[?not supported\]?|requested functionality has been deprecated|none|unknown|)$/i;
const READ_ERROR = /^\[?(unknown error|ERR!|insufficient permissions|GPU requires reset|gpu access blocked.*)\]?$/i;

/** The element at a path below `node`; the first one where a name occurs more than once. */
export function child(node: XmlNode, ...path: string[]): XmlNode {
  let at = node;
  for (const name of path) {
    const here = Array.isArray(at) ? at[0] : at;
    if (typeof here !== 'object' || Array.isArray(here) || !Object.hasOwn(here, name)) return undefined;
    at = here[name];
  }
  return Array.isArray(at) ? at[0] : at;
}

export function children(node: XmlNode, name: string): XmlNode[] {
  if (typeof node !== 'object' || Array.isArray(node) || !Object.hasOwn(node, name)) return [];
  const found = node[name];
  return Array.isArray(found) ? found : [found];
}

/** The text of an element, or null where nvidia-smi gives none (`N/A`, `[N/A]`, deprecated, lost, an error). */
export function text(node: XmlNode, ...path: string[]): string | null {
  const found = child(node, ...path);
  if (typeof found !== 'string') return null;
  const value = found.trim();
  return NO_VALUE.test(value) || READ_ERROR.test(value) || LOST.test(value) ? null : value;
}

/** A number with an optional unit after it (`81559 MiB`, `67.03 W`, `16x`, `0 %`), or null. */
export function number(node: XmlNode, ...path: string[]): number | null {
  const match = /^(-?\d{1,12}(?:\.\d{1,6})?)\s*([a-z%/]*)$/i.exec(text(node, ...path) ?? '');
  return match ? Number(match[1]) : null;
}

export const integer = (node: XmlNode, ...path: string[]): number | null => {
  const value = number(node, ...path);
  return value !== null && Number.isInteger(value) && value >= 0 ? value : null;
};

export const isYes = (node: XmlNode, ...path: string[]): boolean => /^yes$/i.test(text(node, ...path) ?? '');

/** Any value below says that the GPU fell off the bus. */
export function saysLost(node: XmlNode): boolean {
  return anyText(node, (value) => LOST.test(value));
}

/** A value was asked for and could not be read: the GPU is there, and something is wrong with it. */
export function saysReadError(node: XmlNode): boolean {
  return anyText(node, (value) => READ_ERROR.test(value.trim()));
}

function anyText(node: XmlNode, holds: (value: string) => boolean): boolean {
  if (typeof node === 'string') return holds(node);
  if (node === undefined) return false;
  return Object.values(node).some((below) => anyText(below, holds));
}
