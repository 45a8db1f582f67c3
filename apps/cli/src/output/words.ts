import { parseUsd } from '@muster/shared-types';
import Table from 'cli-table3';
import type { Io } from './io.js';

/** `$0.42`, with as many places as say something, at most six; never rounded up. */
export function usd(amount: string): string {
  const micro = parseUsd(amount);
  const abs = micro < 0n ? -micro : micro;
  const fraction = (abs % 1_000_000n).toString().padStart(6, '0');
  const places = Math.max(2, fraction.replace(/0+$/, '').length);
  return `${micro < 0n ? '−' : ''}$${abs / 1_000_000n}.${fraction.slice(0, places)}`;
}

/** `2 h 14 min`, `48 s`, `3 d 2 h`. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 === 0 || s >= 600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

export const secondsUntil = (iso: string, nowMs: number): number => (Date.parse(iso) - nowMs) / 1000;
export const gib = (mb: number): string => `${(mb / 1024).toFixed(mb % 1024 === 0 ? 0 : 1)} GiB`;
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Local date and time to the second, as people write logs. */
export function when(iso: string): string {
  const date = new Date(iso);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

const GOOD = new Set(['running', 'online', 'available', 'verified', 'listed', 'pass', 'CREDIT', 'busy', 'completed', 'final', 'valid', 'late_valid', 'reported']);
const MOVING = new Set(['pending', 'starting', 'stopping', 'draining', 'registered', 'pending_verification', 'scheduled', 'verifying', 'open', 'quorum_pending', 'ready', 'leased']);
const BAD = new Set(['failed', 'lost', 'offline', 'quarantined', 'fail', 'unreachable', 'invalid', 'errored', 'expired', 'disputed']);

/** A state word in its colour; the word always stands there, colour only helps. */
export function stateWord(io: Io, word: string): string {
  const { paint } = io;
  if (GOOD.has(word)) return paint.green(word);
  if (MOVING.has(word)) return paint.blue(word);
  if (BAD.has(word)) return paint.red(word);
  return word === 'warn' ? paint.yellow(word) : paint.dim(word);
}

const NO_LINES = { top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' };

export interface Column {
  title: string;
  align?: 'left' | 'right';
}

/** Aligned columns without lines. */
export function table(io: Io, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const drawn = new Table({
    head: columns.map((column) => io.paint.dim(column.title)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    chars: NO_LINES,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn.toString().split('\n').map((line) => line.trimEnd()).join('\n');
}

/** `name   value` lines, names dimmed and aligned. */
export function facts(io: Io, pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${io.paint.dim(name.padEnd(width))}  ${value}`).join('\n');
}
