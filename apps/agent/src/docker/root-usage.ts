import { statfs } from 'node:fs/promises';
import type { ContainerInspectInfo } from 'dockerode';
import { run } from './command.js';
import { overrun, rootShareBytes, type RootSample } from './disk.rules.js';
import type { EnginePaths } from './engine-paths.js';
import { RENTAL_LABEL } from './labels.js';
import type { EngineConfig, RootUse } from './types.js';

const fraction = (free: number, all: number): number => (all === 0 ? 1 : free / all);

/** The folder that holds what a container has written to its root file system; undefined with another storage driver. */
const upperDir = (info: ContainerInspectInfo): string | undefined => (info.GraphDriver?.Data as { UpperDir?: string } | undefined)?.UpperDir;

/**
 * What each container has written outside `/workspace`, in blocks really taken. One `du` for all of them; it stays on
 * the pool's file system. When files rather than bytes run out, their number decides who is largest.
 */
export async function readRootUsage(config: EngineConfig, paths: EnginePaths, infos: readonly ContainerInspectInfo[]): Promise<RootUse[]> {
  const folders = new Map<string, string>();
  for (const info of infos) {
    const folder = upperDir(info);
    if (folder) folders.set(folder, info.Config.Labels[RENTAL_LABEL] ?? '');
  }
  if (folders.size === 0) return [];
  const pool = await statfs(config.externalHost === undefined ? paths.pool : [...folders.keys()][0] ?? '/');
  const freeBytes = fraction(pool.bavail, pool.blocks);
  const freeFiles = fraction(pool.ffree, pool.files);
  const bytes = await du(folders, ['--block-size=1'], config.path);
  const measure = freeFiles < freeBytes && freeFiles < 0.05 ? await du(folders, ['--inodes'], config.path) : bytes;
  const shareBytes = rootShareBytes(config.poolGb);
  const over = overrun(bytes, shareBytes, freeBytes);
  if (measure !== bytes) for (const rentalId of overrun(measure, Infinity, freeFiles)) over.add(rentalId);
  return bytes.map((sample) => ({ ...sample, shareBytes, over: over.has(sample.rentalId) }));
}

/** Files that vanish while it counts make `du` exit 1 with the right sums. */
async function du(folders: ReadonlyMap<string, string>, options: readonly string[], path: string | undefined): Promise<RootSample[]> {
  const { stdout } = await run('du', ['-s', '-x', ...options, '--', ...folders.keys()], { path, timeoutMs: 60_000 });
  return stdout.split('\n').filter((line) => line !== '').map((line) => {
    const [size = '0', folder = ''] = line.split('\t');
    return { rentalId: folders.get(folder) ?? '', bytes: Number(size) };
  });
}
