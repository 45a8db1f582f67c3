import { statfs } from 'node:fs/promises';
import type { InstanceFault, InstanceSpec } from '@muster/shared-types';
import { cleanEngine } from './clean.js';
import { Disks } from './disks.js';
import { enginePaths } from './engine-paths.js';
import { fault } from './faults.js';
import type { CommandWish, RunningCommand } from './running-command.js';
import type { DiskUse, Engine, EngineConfig, EngineEvent, EngineFacts, EngineResult, EngineStep, InstanceStats, JobHost, LocalImage, LogText, ObservedInstance, PullOptions, RootUse } from './types.js';

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 10_000;
/** A start of an engine takes a second or two. */
const PATIENCE_MS = 15_000;

type Refusal = { ok: false; fault: InstanceFault };

/**
 * An engine that could not be brought up when the agent started, tried again for ever: until then it is an engine that is
 * down, of which nothing is known; from then on it is the real one. So that a node that has tenants speaks to its
 * market and keeps their tunnels and deadlines whatever has become of its engine.
 */
export class LateEngine implements Engine {
  private real: Engine | undefined;
  private closed = false;
  private pauseMs = FIRST_PAUSE_MS;
  private timer: NodeJS.Timeout | undefined;
  private trying: Promise<void> = Promise.resolve();
  private readonly listeners = new Set<(event: EngineEvent) => void>();
  private readonly disks: Disks;
  private cameUp: (engine: Engine) => void = () => undefined;
  private readonly ready = new Promise<Engine>((resolve) => (this.cameUp = resolve));

  constructor(
    readonly config: EngineConfig,
    private readonly bringUp: () => Promise<Engine>,
    private readonly onFailure: (error: unknown) => void,
  ) {
    this.disks = new Disks(enginePaths(config), config.path);
  }

  /** Tries now, and then until it succeeds or is closed. Resolves after the first try, or when that takes long. */
  async open(): Promise<void> {
    this.trying = this.attempt();
    await Promise.race([this.trying, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref())]);
  }

  get weaknesses(): readonly string[] {
    return this.real?.weaknesses ?? [];
  }

  /** None until the engine is there. */
  get jobHost(): JobHost | null {
    return this.real?.jobHost ?? null;
  }

  healthy(): boolean {
    return this.real?.healthy() ?? false;
  }

  onEvent(listener: (event: EngineEvent) => void): () => void {
    if (this.real) return this.real.onEvent(listener);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  facts = async (): Promise<EngineFacts | null> => this.real?.facts() ?? null;
  observe = async (): Promise<ObservedInstance[] | null> => this.real?.observe() ?? null;
  hasImage = async (ref: string): Promise<boolean> => this.real?.hasImage(ref) ?? false;
  listImages = async (): Promise<LocalImage[]> => this.real?.listImages() ?? [];
  collectImages = async (keep: readonly string[]): Promise<string[]> => this.real?.collectImages(keep) ?? [];
  /** Waits for the engine: whoever wants an image waits for this. */
  importArchives = async (dir: string): Promise<string[]> => (await this.ready).importArchives(dir);

  pull = async (ref: string, options?: PullOptions): Promise<EngineResult<{ digest: string | null }>> => this.real?.pull(ref, options) ?? down();
  create = async (spec: InstanceSpec, nodeId: string): Promise<EngineResult<{ containerId: string }>> => this.real?.create(spec, nodeId) ?? down();
  start = async (rentalId: string): Promise<EngineResult<{ ip: string }>> => this.real?.start(rentalId) ?? down();
  cutAccess = async (rentalId: string): Promise<EngineStep> => this.real?.cutAccess(rentalId) ?? down();
  stop = async (rentalId: string, graceS: number): Promise<EngineStep> => this.real?.stop(rentalId, graceS) ?? down();
  remove = async (rentalId: string, options: { keepDisk: boolean }): Promise<EngineStep> => this.real?.remove(rentalId, options) ?? down();
  exec = async (rentalId: string, command: readonly string[], timeoutMs?: number): Promise<EngineResult<{ exitCode: number; output: string }>> => this.real?.exec(rentalId, command, timeoutMs) ?? down();

  command = async (rentalId: string, wish: CommandWish): Promise<EngineResult<RunningCommand>> => this.real?.command(rentalId, wish) ?? down();
  logs = async (rentalId: string, tailLines: number, after?: string): Promise<LogText> => this.real?.logs(rentalId, tailLines, after) ?? { text: '', truncated: false, cursor: after ?? '', gap: false };
  probePort = async (rentalId: string, port: number, options?: { banner?: string; timeoutMs?: number }): Promise<boolean> => this.real?.probePort(rentalId, port, options) ?? false;
  exitFault = async (instance: ObservedInstance): Promise<InstanceFault | null> => this.real?.exitFault(instance) ?? null;
  ensureFirewall = async (): Promise<boolean> => this.real?.ensureFirewall() ?? false;
  rootUsage = async (): Promise<RootUse[]> => this.real?.rootUsage() ?? [];
  diskUse = async (rentalId: string): Promise<DiskUse | null> => this.real?.diskUse(rentalId) ?? null;
  instanceStats = async (rentalId: string): Promise<InstanceStats | null> => this.real?.instanceStats(rentalId) ?? null;
  knows = async (containerId: string): Promise<boolean> => this.real?.knows(containerId) ?? false;
  /** Disks are files, and there without an engine. */
  listDisks = (): Promise<{ rentalId: string; sizeBytes: number; mounted: boolean }[]> => (this.real ?? { listDisks: () => this.disks.list() }).listDisks();

  async diskFree(): Promise<{ poolBytes: number; hostBytes: number }> {
    if (this.real) return this.real.diskFree();
    const { bavail, bsize } = await statfs(this.config.stateDir);
    return { poolBytes: 0, hostBytes: bavail * bsize };
  }

  async detach(): Promise<void> {
    await this.close();
    await this.real?.detach();
  }

  async stopEngine(): Promise<void> {
    await this.close();
    await (this.real ? this.real.stopEngine() : cleanEngine(this.config));
  }

  private async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.trying;
  }

  private async attempt(): Promise<void> {
    try {
      const engine = await this.bringUp();
      this.real = engine;
      for (const listener of this.listeners) engine.onEvent(listener);
      for (const listener of this.listeners) listener({ kind: 'up', adopted: true });
      this.cameUp(engine);
    } catch (error) {
      this.onFailure(error);
      if (!this.closed) this.timer = setTimeout(() => (this.trying = this.attempt()), this.pauseMs);
      this.pauseMs = Math.min(this.pauseMs * 2, LAST_PAUSE_MS);
    }
  }
}

const down = (): Refusal => ({ ok: false, fault: fault('engine_down', 'The host\'s container engine does not come up.') });
