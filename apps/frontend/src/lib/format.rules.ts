import { formatUsd, parseUsd } from '@muster/shared-types';

const MICRO = 1_000_000n;
/** Between a figure and its unit. */
const THIN = '\u00a0';
const MINUS = '\u2212';

/** `$0.42`, with as many places as say something, at most `places` (6), at least two; cut, never rounded up. */
export function usd(amount: string, places = 6): string {
  const micro = parseUsd(amount);
  const abs = micro < 0n ? -micro : micro;
  const fraction = (abs % MICRO).toString().padStart(6, '0').slice(0, places);
  const kept = fraction.slice(0, Math.max(2, fraction.replace(/0+$/, '').length));
  return `${micro < 0n ? MINUS : ''}$${group((abs / MICRO).toString())}.${kept}`;
}

/** An hourly rate with three places, four when it is below a cent. */
export const rate = (amount: string): string => `${usd(amount, parseUsd(amount) < 10_000n ? 4 : 3)}/h`;

const group = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, ',');

/** 12,345 */
export const count = (value: number): string => `${value < 0 ? MINUS : ''}${group(Math.abs(Math.trunc(value)).toString())}`;

/** `48 s`, `9 min 12 s`, `2 h 14 min`, `3 d 2 h`. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return unit(s, 's');
  if (s < 3600) return s < 600 && s % 60 ? `${unit(Math.floor(s / 60), 'min')} ${unit(s % 60, 's')}` : unit(Math.floor(s / 60), 'min');
  if (s < 86_400) return `${unit(Math.floor(s / 3600), 'h')} ${unit(Math.floor((s % 3600) / 60), 'min')}`;
  return `${unit(Math.floor(s / 86_400), 'd')} ${unit(Math.floor((s % 86_400) / 3600), 'h')}`;
}

/** Seconds with one decimal: for phases, which are short. */
export const tenths = (ms: number): string => unit((Math.max(0, ms) / 1000).toFixed(1), 's');

export const unit = (value: number | string, name: string): string => `${typeof value === 'number' ? count(value) : value}${THIN}${name}`;

/** MiB as GiB (or TiB) with at most one decimal. */
export function gib(mb: number): string {
  const value = mb / 1024;
  return value >= 1024 ? unit(trim(value / 1024), 'TiB') : unit(trim(value), 'GiB');
}

/** GB as GB or TB. */
export const gb = (value: number): string => (value >= 1000 ? unit(trim(value / 1000), 'TB') : unit(trim(value), 'GB'));

const trim = (value: number): string => value.toFixed(1).replace(/\.0$/, '');

/** At most two decimals, cut. */
export const quantity = (value: number): string => String(Math.floor(value * 100) / 100);

export const percent = (ratio: number, places = 1): string => `${(Math.floor(ratio * 100 * 10 ** places) / 10 ** places).toFixed(places)}${THIN}%`;

/** `rental_1f0c9a2b`: for people, never for the wire. */
export const shortId = (prefix: string, id: string): string => `${prefix}_${id.replaceAll('-', '').slice(-8)}`;

const two = (value: number): string => String(value).padStart(2, '0');

/** `2026-11-21 20:14:05` in the reader's time zone. */
export function when(iso: string): string {
  const at = new Date(iso);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `12 s ago`, `in 2 h 14 min`. */
export function relative(iso: string, nowMs: number): string {
  const s = (Date.parse(iso) - nowMs) / 1000;
  if (Math.abs(s) < 5) return 'now';
  return s > 0 ? `in ${duration(s)}` : `${duration(-s)} ago`;
}

/** `1 rental`, `3 rentals`. */
export const plural = (value: number, one: string, many = `${one}s`): string => `${count(value)} ${value === 1 ? one : many}`;

/** `some_words` as `some words`. */
export const words = (name: string): string => name.replaceAll('_', ' ');
export const sentence = (text: string): string => (text === '' ? '' : text[0]?.toUpperCase() + text.slice(1));

/** Adds wire amounts. */
export const sumUsd = (amounts: readonly string[]): string => formatUsd(amounts.reduce((sum, amount) => sum + parseUsd(amount), 0n));
