import type { QueryField } from './fields.js';

const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?$/;
const LONGEST_WHOLE = 15;
const LONGEST_FRACTION = 12;

/** A decimal without anything that says nothing: `007.50` → `7.5`; undefined when it is none or too long. */
export function canonicalNumber(text: string): string | undefined {
  const match = NUMBER.exec(text);
  const digits = `${match?.[2] ?? ''}${match?.[3] ?? ''}`;
  if (!match || digits === '') return undefined;
  const whole = (match[2] ?? '').replace(/^0+/, '') || '0';
  const fraction = (match[3] ?? '').replace(/0+$/, '');
  if (whole.length > LONGEST_WHOLE || fraction.length > LONGEST_FRACTION) return undefined;
  const value = fraction === '' ? whole : `${whole}.${fraction}`;
  return match[1] === '-' && value !== '0' ? `-${value}` : value;
}

/** A canonical decimal as a whole number of 10^-scale, rounded down, and whether anything was lost by that. */
export function scaled(decimal: string, scale: number): { value: bigint; exact: boolean } {
  const negative = decimal.startsWith('-');
  const [whole = '0', fraction = ''] = decimal.replace('-', '').split('.');
  const kept = BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'));
  const exact = /^0*$/.test(fraction.slice(scale));
  if (!negative) return { value: kept, exact };
  return { value: exact ? -kept : -kept - 1n, exact };
}

/** `535.86.010` → [535, 86, 10]; undefined when it is no version. */
export function versionParts(text: string): number[] | undefined {
  return /^\d{1,9}(\.\d{1,9}){0,9}$/.test(text) ? text.split('.').map(Number) : undefined;
}

/** How text is kept: `_` stands for a space. */
export const spaced = (text: string): string => text.replaceAll('_', ' ');

/** How text is compared. */
export const folded = (text: string): string => spaced(text).toLowerCase();

/** The value as the tree keeps it; undefined when it is none of this field. */
export function literalOf(field: QueryField, typed: string): string | boolean | undefined {
  switch (field.kind) {
    case 'number':
      return canonicalNumber(typed);
    case 'version':
      return versionParts(typed)?.join('.');
    case 'flag':
      return flagOf(typed.toLowerCase());
    case 'text':
      return field.values && !field.values.includes(typed.toLowerCase()) ? undefined : spaced(typed);
  }
}

function flagOf(word: string): boolean | undefined {
  if (word === 'true') return true;
  return word === 'false' ? false : undefined;
}
