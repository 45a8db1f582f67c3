import type { Compare } from '@muster/shared-types';

/** What of a run is compared. `bytes`: its result, where numbers may differ a little. */
export interface Comparable {
  resultHash: string;
  bytes: Uint8Array | null;
}

/** Whether two results are the same by the job's rule. Equal hashes always are. Not transitive with a tolerance. */
export function same(a: Comparable, b: Comparable, compare: Compare): boolean {
  if (a.resultHash === b.resultHash) return true;
  if (compare.kind === 'exact' || a.bytes === null || b.bytes === null) return false;
  const [left, right] = [parsed(a.bytes), parsed(b.bytes)];
  return left !== undefined && right !== undefined && near(left, right, compare);
}

type Tolerance = Extract<Compare, { kind: 'tolerance' }>;

/** JSON as it is, else the words of the text, of which those that are numbers count as numbers. */
function parsed(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString('utf8').trim();
  try {
    return JSON.parse(text);
  } catch {
    return text === '' ? [] : text.split(/\s+/).map((word) => (NUMBER.test(word) ? Number(word) : word));
  }
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** |a−b| ≤ atol + rtol·max(|a|,|b|) for every pair of numbers; everything else must be equal, and in the same place. */
function near(a: unknown, b: unknown, tolerance: Tolerance): boolean {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= tolerance.atol + tolerance.rtol * Math.max(Math.abs(a), Math.abs(b));
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, i) => near(one, b[i], tolerance));
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a);
    return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && near(a[name], b[name], tolerance));
  }
  return a === b;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
