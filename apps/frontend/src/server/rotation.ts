import { MarketClient, RefusedError } from '@muster/client';
import type { SessionTokens } from '@muster/shared-types';

/** `over`: the session has ended. `unknown`: the market did not answer, so nobody can say. */
export type Rotated = { kind: 'fresh'; tokens: SessionTokens } | { kind: 'over' } | { kind: 'unknown' };

/** How long an answer is handed to requests that still come with the old token. Shorter than an access token lives. */
const REMEMBERED_MS = 10 * 60_000;

/**
 * Trades refresh tokens. INVARIANT: one refresh token is presented to the market once, however many requests of a browser
 * arrive with it at the same time: presenting it twice is what a thief does, and ends the session.
 */
export class Rotation {
  readonly #known = new Map<string, { answer: Promise<Rotated>; until: number }>();

  constructor(
    private readonly client: MarketClient,
    private readonly now: () => number = Date.now,
  ) {}

  rotate(refreshToken: string): Promise<Rotated> {
    this.#forgetOld();
    const known = this.#known.get(refreshToken);
    if (known) return known.answer;
    const answer = this.#ask(refreshToken);
    this.#known.set(refreshToken, { answer, until: this.now() + REMEMBERED_MS });
    void answer.then(({ kind }) => kind === 'unknown' && this.#known.delete(refreshToken));
    return answer;
  }

  async #ask(refreshToken: string): Promise<Rotated> {
    try {
      return { kind: 'fresh', tokens: await this.client.call('refreshSession', { body: { refresh_token: refreshToken } }) };
    } catch (error) {
      if (error instanceof RefusedError && error.problem.code === 'session_expired') return { kind: 'over' };
      return { kind: 'unknown' };
    }
  }

  #forgetOld(): void {
    const now = this.now();
    for (const [token, { until }] of this.#known) if (until <= now) this.#known.delete(token);
  }
}
