import type { Logger } from 'pino';
import { Frpc } from './frpc.js';
import { establishedTo } from './process-facts.js';
import { StoreApi, type ProxyStatus } from './store-api.js';
import { TokenFile } from './token-file.js';
import { MIN_LIFE_MS, describeTunnels, missedBySession, planRental, restartDelayMs, retryDelayMs, type StoreStep } from './tunnel.rules.js';
import { TunnelError, type ObservedTunnel, type TunnelMapping, type TunnelServer, type Tunnels } from './types.js';

const WATCH_EVERY_MS = 400;
/** After a start the admin API needs some 50 ms; a call that comes earlier waits for it this long. */
const ADMIN_WAIT_MS = 3_000;
const ADMIN_POLL_MS = 25;
/** An frpc that is alive but silent for so long will not come back. Generous: replacing it cuts live sessions. */
const DEFAULT_SILENT_LIMIT_MS = 60_000;

/**
 * frpc dials again 1, 2, 4 … 20 s apart. Without a session it carries nobody, so a new one, which dials at once, takes
 * its place earlier than that.
 */
const DEFAULT_NO_SESSION_LIMIT_MS = 10_000;

/** A login that began so lately is not disturbed. */
const LOGIN_MS = 2_000;

export interface TunnelOptions {
  /** Folder for frpc's files, made 0700. Keep it over restarts: token, store and record of the running frpc lie there. */
  folder: string;
  frpcPath: string;
  log: Logger;
  /** After this long without an answer a live frpc is replaced. Default 60 s. */
  silentLimitMs?: number;
  /** After this long without a session at the server frpc is replaced. Default 10 s. */
  noSessionLimitMs?: number;
}

export function createTunnels(options: TunnelOptions): Tunnels {
  return new NodeTunnels(options);
}

/**
 * Invariants: everything that starts, ends or changes frpc goes through `serial`, one at a time; `watch` is the only
 * place that restarts frpc and posts refused proxies anew.
 */
class NodeTunnels implements Tunnels {
  private readonly frpc: Frpc;
  private readonly token: TokenFile;
  private readonly log: Logger;
  private readonly silentLimitMs: number;
  private readonly noSessionLimitMs: number;
  private queue: Promise<unknown> = Promise.resolve();
  private server: TunnelServer | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private up = false;
  private heldConnections = new Set<string>();
  private startedAtMs = 0;
  private answered = false;
  private failures = 0;
  private nextStartMs = 0;
  private lastAnswerMs = 0;
  private lastSessionMs = 0;
  private missed = new Set<string>();
  private readonly refused = new Map<string, { attempts: number; atMs: number }>();

  constructor(options: TunnelOptions) {
    this.frpc = new Frpc(options.folder, options.frpcPath, options.log);
    this.token = new TokenFile(this.frpc.tokenPath);
    this.log = options.log;
    this.silentLimitMs = options.silentLimitMs ?? DEFAULT_SILENT_LIMIT_MS;
    this.noSessionLimitMs = options.noSessionLimitMs ?? DEFAULT_NO_SESSION_LIMIT_MS;
  }

  setServer(server: TunnelServer): Promise<void> {
    return this.serial(async () => {
      await this.frpc.prepareFolder();
      this.server = server;
      this.stopped = false;
      this.lastAnswerMs = performance.now();
      this.lastSessionMs = this.lastAnswerMs;
      // An frpc that was ended here on purpose has not failed.
      if (!(await this.frpc.adopt(server))) this.startedAtMs = 0;
      await this.look();
      this.schedule();
    });
  }

  setToken(jwt: string): Promise<void> {
    return this.serial(async () => {
      await this.frpc.prepareFolder();
      await this.token.replace(jwt);
      // Whoever brings a token has just come back itself, or the old one was refused: no reason to wait.
      if (!this.up && performance.now() - this.startedAtMs > LOGIN_MS) this.lastSessionMs = -Infinity;
      await this.look();
    });
  }

  ensure(rentalId: string, mappings: readonly TunnelMapping[]): Promise<void> {
    return this.serial(async () => {
      const api = await this.api();
      const steps = planRental(rentalId, mappings, await api.list());
      for (const step of steps) await this.execute(api, step);
    });
  }

  remove(rentalId: string): Promise<void> {
    return this.ensure(rentalId, []);
  }

  async observe(): Promise<ObservedTunnel[] | null> {
    // Before the first start of an frpc here, nothing can be held.
    if (!this.frpc.access) return (await this.frpc.hasStore()) ? null : [];
    const api = new StoreApi(this.frpc.access);
    const stored = api.list();
    const status = api.status();
    const [proxies, statuses] = await Promise.allSettled([stored, status]);
    if (proxies.status === 'rejected' || statuses.status === 'rejected') {
      this.up = false;
      return null;
    }
    await this.judge(statuses.value);
    return describeTunnels(proxies.value, statuses.value);
  }

  connected(): boolean {
    return this.up;
  }

  async stop({ kill = false }: { kill?: boolean } = {}): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.serial(async () => {
      if (kill) await this.frpc.end();
    });
  }

  private serial<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work, work);
    this.queue = result.catch(() => undefined);
    return result;
  }

  private schedule(): void {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      void this.serial(() => this.look()).finally(() => this.schedule());
    }, WATCH_EVERY_MS);
    this.timer.unref();
  }

  /** Never throws: what failed is tried again at the next look. */
  private async look(): Promise<void> {
    try {
      await this.watch();
    } catch (error) {
      this.log.warn({ err: error }, 'frpc could not be looked after; trying again');
    }
  }

  /** Alive? Answering? Refused proxies to post anew? */
  private async watch(): Promise<void> {
    const { server } = this;
    if (!server || this.stopped) return;
    if (!(await this.frpc.alive())) {
      this.up = false;
      return this.startIfPossible(server);
    }
    const api = this.frpc.access && new StoreApi(this.frpc.access);
    const statuses = await api?.status().catch(() => undefined);
    if (!api || !statuses) return this.judgeSilence();
    await this.judge(statuses);
    if (!this.up) return this.judgeAbsence(server);
    this.lastSessionMs = performance.now();
    await this.repost(api, statuses);
    await this.mend(api);
  }

  /** frpc needs a token before its first login; it starts when there is one and the pause after a failure is over. */
  private async startIfPossible(server: TunnelServer): Promise<void> {
    const nowMs = performance.now();
    this.noteEnd(nowMs);
    if (nowMs < this.nextStartMs || !(await this.token.exists())) return;
    this.startedAtMs = nowMs;
    this.lastAnswerMs = nowMs;
    this.lastSessionMs = nowMs;
    this.answered = false;
    await this.frpc.start(server);
  }

  /** Counts a life that has just ended, once, and sets the pause before the next start. */
  private noteEnd(nowMs: number): void {
    if (this.startedAtMs === 0) return;
    this.failures = this.answered ? 0 : this.failures + 1;
    this.nextStartMs = Math.max(nowMs + restartDelayMs(this.failures), this.startedAtMs + MIN_LIFE_MS);
    this.startedAtMs = 0;
    this.refused.clear();
    this.log.warn({ failures: this.failures }, 'frpc has ended; it is started again');
  }

  /** Up = a proxy runs, or the same connection to the server has been there at two looks (a refused login does not last). */
  private async judge(statuses: readonly ProxyStatus[]): Promise<void> {
    this.lastAnswerMs = performance.now();
    this.answered = true;
    if (statuses.some((proxy) => proxy.phase === 'running')) {
      this.up = true;
      return;
    }
    const { pid } = this.frpc;
    const now = pid !== undefined && this.server ? await establishedTo(pid, this.server.port) : new Set<string>();
    this.up = [...now].some((inode) => this.heldConnections.has(inode));
    this.heldConnections = now;
  }

  private async judgeSilence(): Promise<void> {
    this.up = false;
    if (performance.now() - this.lastAnswerMs < this.silentLimitMs) return;
    this.log.error('frpc is alive but does not answer; it is replaced');
    await this.frpc.end();
  }

  /** What a session has missed at two looks it will never take by itself: the present one is given its proxies anew. */
  private async mend(api: StoreApi): Promise<void> {
    const statuses = await api.status();
    const missed = missedBySession(await api.list(), statuses);
    const lasting = missed.filter((name) => this.missed.has(name));
    this.missed = new Set(missed);
    if (lasting.length === 0) return;
    this.log.warn({ proxies: lasting }, 'the session does not run what is stored; it is told again');
    await api.reload();
  }

  private async judgeAbsence(server: TunnelServer): Promise<void> {
    if (performance.now() - this.lastSessionMs < this.noSessionLimitMs) return;
    this.log.info('frpc has had no session for long; it is replaced, so that it dials at once');
    await this.frpc.end();
    this.startedAtMs = 0; // ended on purpose
    await this.startIfPossible(server);
  }

  /** A refused proxy would be retried by frpc only after 30 s: the gate may be back, or know the port, long before. */
  private async repost(api: StoreApi, statuses: readonly ProxyStatus[]): Promise<void> {
    const nowMs = performance.now();
    const failed = statuses.filter((proxy) => proxy.phase === 'start error');
    for (const name of this.refused.keys()) {
      if (statuses.some((proxy) => proxy.name === name && proxy.phase === 'running')) this.refused.delete(name);
    }
    const due = failed.filter(({ name }) => this.isDue(name, nowMs));
    if (due.length === 0) return;
    const stored = new Map((await api.list()).map((proxy) => [proxy.name, proxy]));
    for (const { name, error } of due) {
      const proxy = stored.get(name);
      if (!proxy) continue;
      this.log.info({ proxy: name, rental_id: proxy.rentalId, error }, 'proxy was refused; posting it anew');
      await api.remove(name);
      await api.create(proxy);
    }
  }

  /** The first sight of a refusal starts the clock; each retry doubles the wait. */
  private isDue(name: string, nowMs: number): boolean {
    const entry = this.refused.get(name) ?? { attempts: 0, atMs: nowMs + retryDelayMs(0) };
    const due = this.refused.has(name) && nowMs >= entry.atMs;
    this.refused.set(name, due ? { attempts: entry.attempts + 1, atMs: nowMs + retryDelayMs(entry.attempts + 1) } : entry);
    return due;
  }

  private async execute(api: StoreApi, step: StoreStep): Promise<void> {
    switch (step.do) {
      case 'remove':
        this.refused.delete(step.name);
        return api.remove(step.name);
      case 'create':
        return api.create(step.proxy);
      case 'update':
        this.refused.delete(step.proxy.name);
        return api.update(step.proxy);
    }
  }

  /** The admin API of the running frpc, awaited for a moment when it has just been started. */
  private async api(): Promise<StoreApi> {
    if (!this.frpc.access) throw new TunnelError('frpc does not run: it waits for the tunnel server and a token');
    const api = new StoreApi(this.frpc.access);
    const deadline = performance.now() + ADMIN_WAIT_MS;
    while (performance.now() < deadline && (await this.frpc.alive())) {
      if (await api.status().then(() => true, () => false)) return api;
      await new Promise((resolve) => setTimeout(resolve, ADMIN_POLL_MS));
    }
    throw new TunnelError('frpc does not answer on its admin port');
  }
}
