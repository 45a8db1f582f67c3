import type { RequestOf } from '@/lib/query-key';

/** What a renter wishes, as typed. */
export interface Wish {
  template: string;
  disk: string;
  /** Most it may cost, in USD; '' = as far as the balance goes. */
  spend: string;
  /** Hours after which it ends; '' = none. */
  hours: string;
  /** `NAME=value` lines. */
  env: string;
  onstart: string;
  /** undefined = all of the account's. */
  keyIds: readonly string[] | undefined;
}

export const FIRST_WISH: Wish = { template: 'workspace', disk: '', spend: '', hours: '', env: '', onstart: '', keyIds: undefined };

export type WishErrors = Partial<Record<keyof Wish, string>>;

const AMOUNT = /^\d{1,9}(\.\d{1,6})?$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;

export function checkWish(wish: Wish): WishErrors {
  const errors: WishErrors = {};
  if (wish.disk !== '' && !/^[1-9]\d{0,5}$/.test(wish.disk)) errors.disk = 'A whole number of GB, e.g. 20';
  if (wish.spend !== '' && !AMOUNT.test(wish.spend)) errors.spend = 'An amount in USD, e.g. 2.50';
  if (wish.hours !== '' && !(Number(wish.hours) > 0 && Number(wish.hours) <= 8760)) errors.hours = 'Hours, e.g. 8 or 0.5';
  const bad = envLines(wish.env).find(({ name }) => !ENV_NAME.test(name));
  if (bad) errors.env = `“${bad.name.slice(0, 40)}” is not a name; write NAME=value, one a line`;
  return errors;
}

export const envLines = (text: string): { name: string; value: string }[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const at = line.indexOf('=');
      return at < 0 ? { name: line, value: '' } : { name: line.slice(0, at).trim(), value: line.slice(at + 1) };
    });

/** To the minute, so that the same wish is the same question for a minute. */
export function runUntil(hours: string, nowMs: number): string | undefined {
  if (hours === '') return undefined;
  return new Date(Math.floor(nowMs / 60_000) * 60_000 + Math.round(Number(hours) * 3_600_000)).toISOString();
}

export function quoteOf(offerId: string, wish: Wish, nowMs: number): RequestOf<'createQuote'> {
  const until = runUntil(wish.hours, nowMs);
  return {
    body: {
      offer_id: offerId,
      template: wish.template,
      ...(wish.disk !== '' && { disk_gb: Number(wish.disk) }),
      ...(wish.spend !== '' && { max_spend_usd: wish.spend }),
      ...(until !== undefined && { run_until: until }),
    },
  };
}

export function rentOf(quote: RequestOf<'createQuote'>, wish: Wish, dphTotal: string): Omit<RequestOf<'createRental'>, 'idempotencyKey'> {
  const env = Object.fromEntries(envLines(wish.env).map(({ name, value }) => [name, value]));
  return {
    body: {
      ...quote.body,
      expected_dph_total: dphTotal,
      ...(wish.keyIds !== undefined && { ssh_key_ids: [...wish.keyIds] }),
      ...(Object.keys(env).length > 0 && { env }),
      ...(wish.onstart.trim() !== '' && { onstart: wish.onstart }),
    },
  };
}
