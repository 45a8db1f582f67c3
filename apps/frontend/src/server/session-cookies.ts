import type { SessionTokens } from '@muster/shared-types';

/** The access token; gone from the browser shortly before it ends, so that its absence asks for a new one. */
export const ACCESS_COOKIE = 'muster_access';
/** Trades for a new pair, once. */
export const REFRESH_COOKIE = 'muster_refresh';

const EARLY_S = 30;

export interface CookieToSet {
  name: string;
  value: string;
  httpOnly: true;
  secure: true;
  sameSite: 'lax';
  path: '/';
  /** Seconds; 0 deletes it. */
  maxAge: number;
}

const cookie = (name: string, value: string, maxAge: number): CookieToSet => ({ name, value, httpOnly: true, secure: true, sameSite: 'lax', path: '/', maxAge });

const secondsLeft = (iso: string, nowMs: number): number => Math.max(0, Math.floor((Date.parse(iso) - nowMs) / 1000));

export function sessionCookies(tokens: Pick<SessionTokens, 'access_token' | 'access_expires_at' | 'refresh_token' | 'refresh_expires_at'>, nowMs: number): CookieToSet[] {
  return [
    cookie(ACCESS_COOKIE, tokens.access_token, Math.max(1, secondsLeft(tokens.access_expires_at, nowMs) - EARLY_S)),
    cookie(REFRESH_COOKIE, tokens.refresh_token, secondsLeft(tokens.refresh_expires_at, nowMs)),
  ];
}

export const noSession = (): CookieToSet[] => [cookie(ACCESS_COOKIE, '', 0), cookie(REFRESH_COOKIE, '', 0)];
