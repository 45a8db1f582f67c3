import type { InstanceFault, InstanceSpec, InstanceUpdate } from '@muster/shared-types';
import type Docker from 'dockerode';
import type { CommandWish, RunningCommand } from './running-command.js';

/** Bytes and layers of a running pull. */
export type PullProgress = NonNullable<InstanceUpdate['progress']>;

/**
 * One engine of one node. Two engines on a machine (a second node, tests) need different `stateDir`, `bridge` and
 * `subnet`; everything else is derived from these three.
 */
export interface EngineConfig {
  /** MUSTER_HOME: sysctls that were changed are noted in `<musterHome>/undo/sysctls`. */
  musterHome: string;
  /** The agent's own folder. Every parent must be passable for other users (`o+x`): the remapped root walks it. */
  stateDir: string;
  /** Linux bridge of this engine, ≤ 15 characters. */
  bridge: string;
  /** IPv4 CIDR with a prefix of 16 to 24; the bridge takes its first address. */
  subnet: string;
  /** Size of the engine's file system in GB (10^9 bytes): images, root file systems and rental disks together. */
  poolGb: number;
  /** Another engine (`unix:///var/run/docker.sock`) instead of our own; weaker, see `Engine.weaknesses`. */
  externalHost?: string;
  /** Default `dockerd`, looked up in `path`. */
  dockerdPath?: string;
  /** PATH for dockerd and for every tool that is run. */
  path?: string;
  /** Proxy variables for pulls (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`). Nothing else reaches dockerd. */
  proxyEnv?: Readonly<Record<string, string>>;
  /** Resolvers for instances, used when the host has none that an instance can reach. */
  fallbackNameservers?: readonly string[];
}

export type ContainerState = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

/** A container of ours as Docker reports it. Containers without the label `muster.rental` never appear. */
export interface ObservedInstance {
  rentalId: string;
  epoch: number;
  specHash: string;
  nodeId: string;
  containerId: string;
  /** Image reference the container was made from. */
  image: string;
  state: ContainerState;
  /** Address on the bridge; null unless running. */
  ip: string | null;
  /** RFC 3339; null when it never ran. */
  startedAt: string | null;
  /** Null while it runs or has never run. */
  exitCode: number | null;
  oomKilled: boolean;
  gpuUuids: string[];
  diskMounted: boolean;
  /** Access was cut and is still cut. */
  accessCut: boolean;
}

export interface LocalImage {
  id: string;
  refs: string[];
  sizeBytes: number;
  /** `muster.image.hash` label of an imported image. */
  hash: string | null;
}

export interface PullOptions {
  auth?: { username: string; password: string; server?: string } | null;
  /** A pull whose layers add up to more is cancelled with `image_too_large`. */
  maxBytes?: number;
  signal?: AbortSignal;
  onProgress?: (progress: PullProgress) => void;
}

/** What an instance printed. */
export interface LogText {
  text: string;
  /** There is more before it. */
  truncated: boolean;
  /** The place behind it, to ask from. */
  cursor: string;
  /** Something between `after` and this text is no longer kept. */
  gap: boolean;
}

export interface InstanceStats {
  /** 100 = one core, averaged since the previous call for this rental; null at the first. */
  cpuPercent: number | null;
  ramUsedMb: number;
  ramLimitMb: number | null;
  pids: number | null;
  /** Since it was started, at its own network card; null when that cannot be read. */
  net: { rx: number; tx: number } | null;
}

export interface DiskUse {
  sizeBytes: number;
  usedBytes: number;
}

export interface RootUse {
  rentalId: string;
  /** Bytes written to the container's own root file system. */
  bytes: number;
  /** What it may write before the rental is ended. */
  shareBytes: number;
  over: boolean;
}

/** Folders of executions on the host. */
export interface JobFolders {
  /** One image file per execution that needs a disk, and where they are mounted. */
  disks: string;
  mounts: string;
  /** Small inputs. */
  inputs: string;
  /** Output, by container id. */
  io: string;
}

/** What the runner of jobs needs of the engine. */
export interface JobHost {
  readonly docker: Docker;
  /** Docker network with a way out, behind the engine's firewall. */
  readonly network: string;
  /** Who root inside is outside. */
  readonly owner: { uid: number; gid: number };
  readonly folders: JobFolders;
  readonly path: string | undefined;
  /** The host has gVisor. */
  readonly gvisor: boolean;
  nameservers(): Promise<string[]>;
  /** Keeps containers that have just come onto the bridge from one another. */
  fence(): Promise<void>;
}

export type EngineEvent =
  | { kind: 'up'; adopted: boolean }
  | { kind: 'down'; message: string }
  | { kind: 'instance'; rentalId: string; action: 'start' | 'die' | 'oom' | 'destroy' };

export type EngineStep = { ok: true } | { ok: false; fault: InstanceFault };
export type EngineResult<T> = { ok: true; value: T } | { ok: false; fault: InstanceFault };

export interface EngineFacts {
  version: string;
  apiVersion: string;
  storageDriver: string;
  userns: boolean;
  runc: string;
  cgroupVersion: 1 | 2;
  external: boolean;
}

/**
 * A node's Docker engine and everything around it. Calls are idempotent; failures that a person can act on come back
 * as a fault, a dead engine always as `engine_down`. Nothing here deletes a container or a disk on its own.
 */
export interface Engine {
  readonly config: EngineConfig;
  /** What is weaker here than with our own engine, in words for preflight. Empty for our own engine. */
  readonly weaknesses: readonly string[];
  /** The engine answers, as of the last second. */
  healthy(): boolean;
  facts(): Promise<EngineFacts | null>;
  /** Own engine came up or went, or a container of ours changed: run the loop now. Returns the unsubscriber. */
  onEvent(listener: (event: EngineEvent) => void): () => void;

  /** Null while the engine is down: then nothing is known, which is not the same as nothing being there. */
  observe(): Promise<ObservedInstance[] | null>;

  hasImage(ref: string): Promise<boolean>;
  listImages(): Promise<LocalImage[]>;
  /** One pull per reference at a time; a second caller joins the first. */
  pull(ref: string, options?: PullOptions): Promise<EngineResult<{ digest: string | null }>>;
  /** Imports each `<name>-<hash>.tar` + `.json` of the folder that is not there yet; tags `muster/<name>:<hash>` and `:latest`. */
  importArchives(dir: string): Promise<string[]>;
  /** Removes images that are neither in `keep` nor used by a container nor imported archives. Returns what went. */
  collectImages(keep: readonly string[]): Promise<string[]>;

  /** Container with disk, keys and limits, not started. An equal one is returned as it is; one of an older epoch is replaced, its disk kept. */
  create(spec: InstanceSpec, nodeId: string): Promise<EngineResult<{ containerId: string }>>;
  /** Mounts the disk, starts, runs `onstart` once in the background. */
  start(rentalId: string): Promise<EngineResult<{ ip: string }>>;
  /** Within a second no byte passes to or from the instance and its live connections are closed; processes go on. */
  cutAccess(rentalId: string): Promise<EngineStep>;
  /** SIGTERM, after `graceS` SIGKILL. Container and disk stay. */
  stop(rentalId: string, graceS: number): Promise<EngineStep>;
  /** Kills and removes the container, unmounts its disk and, unless kept, deletes it. */
  remove(rentalId: string, options: { keepDisk: boolean }): Promise<EngineStep>;
  /** Output of the container's command, newest last; bounded at 2 MiB. With `after`, only what came since that place. */
  logs(rentalId: string, tailLines: number, after?: string): Promise<LogText>;
  /** Runs a command inside and waits for it. */
  exec(rentalId: string, command: readonly string[], timeoutMs?: number): Promise<EngineResult<{ exitCode: number; output: string }>>;
  /** Starts a command inside and hands over its streams. */
  command(rentalId: string, wish: CommandWish): Promise<EngineResult<RunningCommand>>;
  /** Something inside answers on the port of the bridge address with at least one byte or stays open (`banner` wants bytes starting so). */
  probePort(rentalId: string, port: number, options?: { banner?: string; timeoutMs?: number }): Promise<boolean>;
  /** Why an exited instance ended, in words; null when it runs. */
  exitFault(instance: ObservedInstance): Promise<InstanceFault | null>;

  /** Re-applies bridge and rules when anything is missing; true when it had to. */
  ensureFirewall(): Promise<boolean>;
  rootUsage(): Promise<RootUse[]>;
  /** Free in the engine's file system and in the host's below it. */
  diskFree(): Promise<{ poolBytes: number; hostBytes: number }>;
  /** `/workspace` of a rental; null when it has no disk or is not mounted. */
  diskUse(rentalId: string): Promise<DiskUse | null>;
  /** Disks on this node, mounted or not: what `keepDisk` left behind. */
  listDisks(): Promise<{ rentalId: string; sizeBytes: number; mounted: boolean }[]>;
  instanceStats(rentalId: string): Promise<InstanceStats | null>;
  /** A container of an instance or an execution. Rejects while the engine does not answer. */
  knows(containerId: string): Promise<boolean>;

  /** Where executions of jobs are run; null with an engine that is not our own. */
  readonly jobHost: JobHost | null;

  /** Stops watching; the engine and its containers run on for the next agent. */
  detach(): Promise<void>;
  /** The `down` path: containers, mounts, engine, bridge, rules are gone afterwards. Disks and images stay as files. */
  stopEngine(): Promise<void>;
}
