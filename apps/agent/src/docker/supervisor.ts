import type Docker from 'dockerode';
import { ensureDaemons, findDaemon, isAlive } from './daemons.js';
import type { EnginePaths } from './engine-paths.js';
import { jsonLines } from './images.js';
import { RENTAL_LABEL } from './labels.js';
import type { EngineConfig, EngineEvent } from './types.js';

const LOOK_EVERY_MS = 500;
const PING_EVERY_LOOKS = 4;
const PING_TIMEOUT_MS = 5000;
/** A dockerd that is alive and has not answered for so long is replaced; its containers live on. */
const HUNG_AFTER_MS = 60_000;
const FIRST_BACKOFF_MS = 200;
const LAST_BACKOFF_MS = 10_000;

interface DockerEvent {
  Action?: string;
  status?: string;
  Actor?: { Attributes?: Record<string, string> };
}

const ACTIONS = new Set(['start', 'die', 'oom', 'destroy']);

/**
 * Watches the engine: dead daemons are started again with growing pauses, container events are passed on.
 * One look at a time; `close` waits for the one under way, so that nothing is started after it.
 */
export class EngineSupervisor {
  private readonly config: EngineConfig;
  private readonly paths: EnginePaths;
  private readonly docker: Docker;
  private readonly onUp: () => Promise<void>;
  private readonly listeners = new Set<(event: EngineEvent) => void>();
  private pids: number[] = [];
  private up = true;
  private closed = false;
  private looks = 0;
  private backoffMs = FIRST_BACKOFF_MS;
  private notBefore = 0;
  private lastAnswer = performance.now();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private events: { destroy(): void } | undefined;

  /** `onUp`: runs after each return of the engine, before anyone is told. */
  constructor(config: EngineConfig, paths: EnginePaths, docker: Docker, onUp: () => Promise<void>) {
    this.config = config;
    this.paths = paths;
    this.docker = docker;
    this.onUp = onUp;
  }

  async open(): Promise<void> {
    await this.notePids();
    void this.followEvents();
    this.schedule(LOOK_EVERY_MS);
  }

  healthy(): boolean {
    return this.up;
  }

  listen(listener: (event: EngineEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    this.events?.destroy();
    await this.looking;
  }

  private schedule(ms: number): void {
    if (this.closed) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.looking = this.look().finally(() => this.schedule(LOOK_EVERY_MS));
    }, ms);
  }

  private async look(): Promise<void> {
    this.looks += 1;
    const alive = this.pids.every(isAlive);
    if (!alive) return this.revive(`${this.pids.length === 0 ? 'the engine is not running' : 'a daemon of the engine has ended'}`);
    if (this.looks % PING_EVERY_LOOKS === 0 || !this.up) await this.ping();
  }

  private async ping(): Promise<void> {
    const answered = await Promise.race([
      this.docker.ping().then(() => true, () => false),
      new Promise<false>((resolve) => setTimeout(resolve, PING_TIMEOUT_MS, false).unref()),
    ]);
    if (answered) {
      this.lastAnswer = performance.now();
      if (!this.up) await this.cameUp(true);
      return;
    }
    this.wentDown('the engine does not answer');
    const hung = performance.now() - this.lastAnswer > HUNG_AFTER_MS;
    const dockerd = hung && this.config.externalHost === undefined ? await findDaemon(this.paths, 'dockerd') : undefined;
    if (dockerd) process.kill(dockerd.pid, 'SIGKILL');
  }

  private async revive(message: string): Promise<void> {
    this.wentDown(message);
    if (performance.now() < this.notBefore) return;
    try {
      await ensureDaemons(this.config, this.paths);
      await this.notePids();
      await this.cameUp(false);
      this.backoffMs = FIRST_BACKOFF_MS;
    } catch (error) {
      this.emit({ kind: 'down', message: error instanceof Error ? error.message : String(error) });
      this.notBefore = performance.now() + this.backoffMs;
      this.backoffMs = Math.min(this.backoffMs * 2, LAST_BACKOFF_MS);
    }
  }

  private async notePids(): Promise<void> {
    if (this.config.externalHost !== undefined) return;
    const daemons = await Promise.all(['containerd', 'dockerd'].map((name) => findDaemon(this.paths, name)));
    this.pids = daemons.filter((daemon) => daemon !== undefined).map((daemon) => daemon.pid);
    if (this.pids.length < 2) this.pids = [0];
  }

  private wentDown(message: string): void {
    if (!this.up) return;
    this.up = false;
    this.emit({ kind: 'down', message });
  }

  private async cameUp(adopted: boolean): Promise<void> {
    this.lastAnswer = performance.now();
    await this.onUp();
    this.up = true;
    void this.followEvents();
    this.emit({ kind: 'up', adopted });
  }

  private emit(event: EngineEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  /** Ends when the engine goes, which is also the first sign of it: look at once. */
  private async followEvents(): Promise<void> {
    this.events?.destroy();
    try {
      const stream = await this.docker.getEvents({ filters: { type: ['container'], label: [RENTAL_LABEL] } });
      this.events = stream as NodeJS.ReadableStream & { destroy(): void };
      for await (const event of jsonLines<DockerEvent>(stream as AsyncIterable<Buffer>)) this.passOn(event);
    } catch {
      // The engine went in the middle of a line; the look below deals with it.
    }
    if (this.up) this.schedule(10);
  }

  private passOn(event: DockerEvent): void {
    const action = event.Action ?? event.status ?? '';
    const rentalId = event.Actor?.Attributes?.[RENTAL_LABEL];
    if (rentalId !== undefined && ACTIONS.has(action)) this.emit({ kind: 'instance', rentalId, action: action as 'start' });
  }
}
