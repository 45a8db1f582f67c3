import { z } from 'zod';

/** Micro-dollars: 1 USD = 1,000,000. The only form in which money is calculated. */
export type MicroUsd = bigint;

export const MICRO = 1_000_000n;
export const SECONDS_PER_HOUR = 3600n;
/** A month of storage price, as the field counts it. */
export const HOURS_PER_MONTH = 730n;

/** Money on the wire: a decimal string in USD with six places, e.g. `"12.340000"`. */
export const UsdString = z
  .string()
  .regex(/^-?\d{1,12}\.\d{6}$/)
  .meta({ description: 'USD, decimal string with six places', examples: ['12.340000'] });
export type UsdString = z.infer<typeof UsdString>;

/** Money typed by a person or another program: up to six decimal places, never negative. */
export const UsdInput = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,6})?$/, 'must be an amount in USD such as "0.50"')
  .meta({ description: 'USD, up to six decimal places', examples: ['0.50'] });
export type UsdInput = z.infer<typeof UsdInput>;

/** Formats micro-dollars as a wire string with six decimal places. */
export function formatUsd(micro: MicroUsd): UsdString {
  const abs = micro < 0n ? -micro : micro;
  const fraction = (abs % MICRO).toString().padStart(6, '0');
  return `${micro < 0n ? '-' : ''}${abs / MICRO}.${fraction}`;
}

/** Parses `UsdString` or `UsdInput` into micro-dollars. Throws a RangeError on anything else. */
export function parseUsd(text: string): MicroUsd {
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,6}))?$/.exec(text);
  if (!match) throw new RangeError(`not an amount in USD: ${JSON.stringify(text)}`);
  const micro = BigInt(match[2] ?? '0') * MICRO + BigInt((match[3] ?? '').padEnd(6, '0'));
  return match[1] === '-' ? -micro : micro;
}

/** RFC 3339 in UTC with milliseconds. */
export const Timestamp = z.iso.datetime({ offset: true }).meta({ description: 'RFC 3339' });
export type Timestamp = z.infer<typeof Timestamp>;

export const Uuid = z.uuid();
export type Uuid = z.infer<typeof Uuid>;

const DURATION_UNITS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Parses `90`, `90s`, `15m`, `2h`, `1d` into whole seconds; undefined when it is none of these. */
export function parseDurationS(text: string): number | undefined {
  const match = /^(\d{1,7})([smhd]?)$/.exec(text.trim());
  if (!match) return undefined;
  const unit = (match[2] || 's') as keyof typeof DURATION_UNITS;
  return Number(match[1]) * DURATION_UNITS[unit];
}

const SIZE_UNITS = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 } as const;

/** Parses Docker's memory notation (`512m`, `16g`, bytes) into bytes; undefined when it is none of these. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,15})([kmgt]?)b?$/i.exec(text.trim());
  if (!match) return undefined;
  const unit = (match[2] ?? '').toLowerCase() as keyof typeof SIZE_UNITS;
  return Number(match[1]) * SIZE_UNITS[unit];
}
