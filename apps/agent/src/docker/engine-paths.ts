import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { EngineConfig } from './types.js';

export interface EnginePaths {
  /** Root-owned folder of everything that survives a reboot. */
  engineDir: string;
  poolImage: string;
  /** Where the engine's own file system is mounted. */
  pool: string;
  dataRoot: string;
  containerdRoot: string;
  /** One image file per rental disk. */
  disks: string;
  /** Mount points of the disks of rentals and executions. */
  mounts: string;
  /** One image file per execution that needs a disk. */
  jobDisks: string;
  /** Small inputs of executions. */
  jobInputs: string;
  /** Output of executions, by container id. */
  jobIo: string;
  logs: string;
  /**
   * Sockets, pid files and container state. Under /run, so that a reboot empties it, and short, because a socket path
   * must stay under 108 bytes however deep the state folder lies. Also the mark by which our processes are known.
   */
  runDir: string;
  socket: string;
  containerdSocket: string;
  dockerdLog: string;
  containerdLog: string;
  sysctlUndo: string;
  /** nft table, `muster` for the default bridge. */
  table: string;
}

/** Everything an engine keeps on the machine, from its configuration alone. */
export function enginePaths(config: EngineConfig): EnginePaths {
  const engineDir = join(config.stateDir, 'engine');
  const key = createHash('sha256').update(config.stateDir).digest('hex').slice(0, 8);
  const pool = join(engineDir, 'pool');
  const runDir = join('/run/muster', key);
  return {
    engineDir,
    poolImage: join(engineDir, 'pool.img'),
    pool,
    dataRoot: join(pool, 'docker'),
    containerdRoot: join(pool, 'containerd'),
    disks: join(pool, 'disks'),
    mounts: join(engineDir, 'mnt'),
    jobDisks: join(pool, 'job-disks'),
    jobInputs: join(pool, 'job-inputs'),
    jobIo: join(engineDir, 'job-io'),
    logs: join(engineDir, 'logs'),
    runDir,
    socket: join(runDir, 'docker.sock'),
    containerdSocket: join(runDir, 'containerd.sock'),
    dockerdLog: join(engineDir, 'dockerd.log'),
    containerdLog: join(engineDir, 'containerd.log'),
    sysctlUndo: join(config.musterHome, 'undo', 'sysctls'),
    table: config.bridge === 'mst0' ? 'muster' : `muster_${config.bridge.replace(/[^a-zA-Z0-9]/g, '_')}`,
  };
}
