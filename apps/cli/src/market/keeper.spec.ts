import { waitFor, type ServiceExit } from '@muster/local-services';
import { describe, expect, it } from 'vitest';
import { Keeper, type RunningPart } from './keeper.js';

const DEADLINE = { deadlineMs: 10_000, what: 'the keeper' };

/** A part whose lives a test ends by hand. */
function part(options: { failing?: number } = {}) {
  const lives: { die(exit: ServiceExit): void; stopped: boolean }[] = [];
  let failing = options.failing ?? 0;
  return {
    lives,
    failNext: (times: number) => (failing = times),
    kept: {
      name: 'part',
      start: (): Promise<RunningPart> => {
        if (failing-- > 0) return Promise.reject(new Error('cannot start'));
        let die: (exit: ServiceExit) => void = () => undefined;
        const exited = new Promise<ServiceExit>((resolve) => (die = resolve));
        const life = { die, stopped: false };
        lives.push(life);
        const stop = (): Promise<void> => {
          life.stopped = true;
          die({ code: 0, signal: null });
          return Promise.resolve();
        };
        return Promise.resolve({ pid: lives.length, adopted: false, detail: '', exited, stop });
      },
    },
  };
}

function record() {
  const told: string[] = [];
  return { told, events: { onEnded: (how: string) => told.push(`ended ${how}`), onBack: () => told.push('back'), onFailedStart: () => told.push('failed start') } };
}

describe('a keeper', () => {
  it('starts a part again that dies', async () => {
    const { kept, lives } = part();
    const { told, events } = record();
    const keeper = new Keeper(kept, events);
    await keeper.begin();
    lives[0]?.die({ code: null, signal: 'SIGKILL' });
    await waitFor(() => told.includes('back'), DEADLINE);
    expect(told).toEqual(['ended SIGKILL', 'back']);
    expect(keeper.running?.pid).toBe(2);
    await keeper.stop();
  });

  it('goes on trying when a restart fails', async () => {
    const { kept, lives, failNext } = part();
    const { told, events } = record();
    const keeper = new Keeper(kept, events);
    await keeper.begin();
    failNext(2);
    lives[0]?.die({ code: 1, signal: null });
    await waitFor(() => told.includes('back'), DEADLINE);
    expect(told).toEqual(['ended exit 1', 'failed start', 'failed start', 'back']);
    await keeper.stop();
  });

  it('tells the caller of a first start that fails, and keeps nothing', async () => {
    const { kept } = part({ failing: 1 });
    const keeper = new Keeper(kept, record().events);
    await expect(keeper.begin()).rejects.toThrow('cannot start');
    await keeper.stop();
    expect(keeper.running).toBeUndefined();
  });

  it('starts nothing again after stop, also when the part dies at that moment', async () => {
    const { kept, lives } = part();
    const { told, events } = record();
    const keeper = new Keeper(kept, events);
    await keeper.begin();
    lives[0]?.die({ code: 0, signal: null });
    await keeper.stop();
    expect(lives.length).toBe(1);
    expect(told).not.toContain('back');
  });

  it('stops a part whose start was still under way', async () => {
    const { kept, lives } = part();
    const keeper = new Keeper(kept, record().events);
    const begun = keeper.begin();
    await keeper.stop();
    await begun;
    expect(lives[0]?.stopped).toBe(true);
  });

  it('leaves a part running', async () => {
    const { kept, lives } = part();
    const keeper = new Keeper(kept, record().events);
    await keeper.begin();
    keeper.leave();
    expect(lives[0]?.stopped).toBe(false);
  });
});
