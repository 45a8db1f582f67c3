import type { ServiceExit, StopStep } from '@muster/local-services';
import { exitWords } from './child.js';
import { restartDelayMs, type Life } from './restart.rules.js';

const REMEMBERED_LIVES = 20;

/** A part that runs. */
export interface RunningPart {
  pid: number;
  adopted: boolean;
  /** For people: address, version. */
  detail: string;
  exited: Promise<ServiceExit>;
  /** By its usual signals unless told otherwise (servers keep to theirs). */
  stop(steps?: readonly StopStep[]): Promise<void>;
}

export interface KeptPart {
  name: string;
  /** Starts it or adopts what runs, and returns when it answers. Called again after every death. */
  start(): Promise<RunningPart>;
}

export interface KeeperEvents {
  onEnded(words: string): void;
  onBack(part: RunningPart, ms: number): void;
  onFailedStart(error: unknown): void;
}

/**
 * Keeps one part running. INVARIANT: at most one start is in flight, and none begins after `stop` was called, so a part
 * that was stopped stays stopped.
 */
export class Keeper {
  private stopping = false;
  private current: RunningPart | undefined;
  private lives: Life[] = [];
  private beginning: Promise<RunningPart> | undefined;
  private watch: Promise<void> = Promise.resolve();
  private wake: () => void = () => undefined;

  constructor(
    private readonly part: KeptPart,
    private readonly events: KeeperEvents,
  ) {}

  get running(): RunningPart | undefined {
    return this.current;
  }

  /** The first start; its failure is the caller's. Afterwards the part is kept. */
  begin(): Promise<RunningPart> {
    this.beginning = this.beginNow();
    return this.beginning;
  }

  /** Goes on running, but nobody keeps it any more. */
  leave(): void {
    this.stopping = true;
    this.wake();
  }

  /** Ends the part for good. */
  async stop(steps?: readonly StopStep[]): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.beginning?.catch(() => undefined); // its failure is told to whoever called begin
    const part = this.current;
    if (part) await part.stop(steps);
    await this.watch;
    // A restart that was in flight when we were called may have brought it up since.
    if (this.current && this.current !== part) await this.current.stop(steps);
  }

  private async beginNow(): Promise<RunningPart> {
    const startedAt = performance.now();
    this.current = await this.part.start();
    this.watch = this.keep(this.current, startedAt);
    return this.current;
  }

  private async keep(first: RunningPart, firstStartedAt: number): Promise<void> {
    let [part, startedAt]: [RunningPart | undefined, number] = [first, firstStartedAt];
    for (;;) {
      if (this.stopping) return;
      const exit = part && (await part.exited);
      if (this.stopping) return;
      this.current = undefined;
      if (exit) this.events.onEnded(exitWords(exit));
      this.lives = [...this.lives, { startedAt, endedAt: performance.now() }].slice(-REMEMBERED_LIVES);
      await this.pause(restartDelayMs(this.lives));
      if (this.stopping) return;
      startedAt = performance.now();
      part = await this.startAgain(startedAt);
    }
  }

  private async startAgain(startedAt: number): Promise<RunningPart | undefined> {
    try {
      const part = await this.part.start();
      this.current = part;
      this.events.onBack(part, performance.now() - startedAt);
      return part;
    } catch (error) {
      this.events.onFailedStart(error);
      return undefined;
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
