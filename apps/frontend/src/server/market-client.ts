import { MarketClient } from '@muster/client';
import { config } from '@/config';

/** The API as this server reaches it, with a person's token or without. */
export function marketClient(token?: string): MarketClient {
  return new MarketClient({ url: config().apiUrl, userAgent: 'muster-web', timeoutMs: 15_000, ...(token && { token }) });
}
