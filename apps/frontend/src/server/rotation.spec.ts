import { describe, expect, it } from 'vitest';
import { MarketClient, RefusedError, UnreachableError } from '@muster/client';
import { makeProblem, type SessionTokens } from '@muster/shared-types';
import { Rotation } from './rotation';

const TOKENS = { access_token: 'a2', refresh_token: 'r2' } as SessionTokens;

/** Answers `refreshSession` as told, and counts. */
class Answering extends MarketClient {
  asked = 0;
  constructor(private readonly answers: (() => Promise<SessionTokens>)[]) {
    super({ url: 'http://127.0.0.1:9' });
  }
  override call(): Promise<never> {
    const answer = this.answers[this.asked++];
    if (!answer) throw new Error('asked too often');
    return answer() as Promise<never>;
  }
}

describe('rotation of refresh tokens', () => {
  it('however many requests come with a token, it is presented once', async () => {
    const client = new Answering([() => Promise.resolve(TOKENS)]);
    const rotation = new Rotation(client);
    const all = await Promise.all(Array.from({ length: 20 }, () => rotation.rotate('r1')));
    expect(client.asked).toBe(1);
    expect(all.every((one) => one.kind === 'fresh' && one.tokens.access_token === 'a2')).toBe(true);
  });

  it('an ended session is over; a silent market ends nothing and is asked again', async () => {
    const client = new Answering([
      () => Promise.reject(new UnreachableError('silent', true)),
      () => Promise.reject(new RefusedError(makeProblem('session_expired'), undefined)),
    ]);
    const rotation = new Rotation(client);
    expect(await rotation.rotate('r1')).toEqual({ kind: 'unknown' });
    expect(await rotation.rotate('r1')).toEqual({ kind: 'over' });
  });

  it('what was answered is forgotten in time', async () => {
    let now = 0;
    const client = new Answering([() => Promise.resolve(TOKENS), () => Promise.reject(new RefusedError(makeProblem('session_expired'), undefined))]);
    const rotation = new Rotation(client, () => now);
    await rotation.rotate('r1');
    now = 11 * 60_000;
    expect(await rotation.rotate('r1')).toEqual({ kind: 'over' });
  });
});
