import { chmod, mkdir, readdir, rename, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, run } from './command.js';
import type { EnginePaths } from './engine-paths.js';
import { isMounted, listMounts, mountImage } from './mounts.js';
import type { DiskUse, EngineConfig } from './types.js';

const GB = 1e9;

export interface Owner {
  uid: number;
  gid: number;
}

/** The folder itself and each parent must let other users pass, or the remapped root cannot reach its own files. */
export async function prepareFolders(paths: EnginePaths): Promise<void> {
  for (const folder of [paths.engineDir, paths.pool, paths.mounts, paths.runDir]) await mkdir(folder, { recursive: true });
  await mkdir(paths.logs, { recursive: true, mode: 0o700 });
  for (const folder of [paths.engineDir, paths.mounts, paths.runDir]) await chmod(folder, 0o711);
  for (let folder = join(paths.engineDir, '..'); folder !== '/'; folder = join(folder, '..')) {
    if (((await stat(folder)).mode & 0o001) === 0) {
      throw new Error(`${folder} does not let other users pass (chmod o+x ${folder}), so instances could not reach their disks; or choose another state folder`);
    }
  }
}

/**
 * The engine's own file system: a sparse file of the size the host offers, grown when the host offers more, never
 * shrunk. ext4's reserved blocks are for root only, so tenants (uid ≥ 100000) cannot take the engine's last space.
 */
export async function mountPool(config: EngineConfig, paths: EnginePaths): Promise<void> {
  const { path } = config;
  const wanted = Math.floor(config.poolGb * GB);
  const present = await stat(paths.poolImage).then((file) => file.size, () => 0);
  if (await isMounted(paths.pool)) return makePoolFolders(paths);
  if (present === 0) await formatPool(wanted, paths, path);
  else await repair(paths.poolImage, path);
  if (present !== 0 && present < wanted) await mustRun('truncate', ['-s', String(wanted), paths.poolImage], { path });
  const device = await mountImage(paths.poolImage, paths.pool, 'noatime,discard', path);
  if (present !== 0 && present < wanted) await mustRun('resize2fs', [device], { path, timeoutMs: 120_000 });
  await makePoolFolders(paths);
}

async function makePoolFolders(paths: EnginePaths): Promise<void> {
  await chmod(paths.pool, 0o711);
  for (const folder of [paths.dataRoot, paths.containerdRoot]) await mkdir(folder, { recursive: true, mode: 0o711 });
  for (const folder of [paths.disks, paths.jobDisks]) await mkdir(folder, { recursive: true, mode: 0o700 });
  await mkdir(paths.jobInputs, { recursive: true, mode: 0o711 });
}

/** Under another name until it is whole: a file that a killed agent left half made would be mounted by none of the next. */
async function formatPool(bytes: number, paths: EnginePaths, path: string | undefined): Promise<void> {
  const part = `${paths.poolImage}.part`;
  await rm(part, { force: true });
  await mustRun('truncate', ['-s', String(bytes), part], { path });
  const made = await run('mkfs.ext4', ['-q', '-F', '-m', '3', '-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard', part], { path });
  if (made.code === 0) return rename(part, paths.poolImage);
  await rm(part, { force: true });
  throw new Error(`the engine's file system could not be made: ${made.stderr.trim()}`);
}

/** Journals replay at mount; disks have none, so one that was not unmounted is checked. Clean ones take milliseconds. */
async function repair(image: string, path: string | undefined): Promise<void> {
  const checked = await run('e2fsck', ['-p', image], { path, timeoutMs: 300_000 });
  if (checked.code >= 4) await run('e2fsck', ['-y', image], { path, timeoutMs: 300_000 });
}

/**
 * `/workspace` of rentals (and what executions read and write): one image file each in the pool, `disk_gb` in full set aside at once, so a disk that was paid
 * for never meets a full pool, while the pool's own file stays sparse on the host.
 */
export class Disks {
  private readonly paths: Pick<EnginePaths, 'disks' | 'mounts'>;
  private readonly path: string | undefined;

  constructor(paths: Pick<EnginePaths, 'disks' | 'mounts'>, path: string | undefined) {
    this.paths = paths;
    this.path = path;
  }

  image(rentalId: string): string {
    return join(this.paths.disks, `${rentalId}.img`);
  }

  mountPoint(rentalId: string): string {
    return join(this.paths.mounts, rentalId);
  }

  /** Makes and mounts the disk; an existing one keeps its contents and size. Throws `CommandError` (no space) otherwise. */
  async ensure(rentalId: string, diskGb: number, owner: Owner): Promise<string> {
    const image = this.image(rentalId);
    if (await this.has(rentalId)) return this.mount(rentalId);
    await this.format(image, Math.floor(diskGb * GB), owner);
    return this.mountSound(rentalId);
  }

  /** Mounts an existing disk; nothing to do when it is mounted. */
  async mount(rentalId: string): Promise<string> {
    const target = this.mountPoint(rentalId);
    if (await isMounted(target)) return target;
    await repair(this.image(rentalId), this.path);
    return this.mountSound(rentalId);
  }

  has(rentalId: string): Promise<boolean> {
    return stat(this.image(rentalId)).then(() => true, () => false);
  }

  private async mountSound(rentalId: string): Promise<string> {
    const target = this.mountPoint(rentalId);
    // Mode 0 below the mount: if the disk were ever missing, nothing could be written to the host's disk in its place.
    await mkdir(target, { recursive: true, mode: 0o000 });
    await mountImage(this.image(rentalId), target, 'nosuid,nodev,noatime', this.path);
    await rmdir(join(target, 'lost+found')).catch(() => undefined);
    return target;
  }

  async unmount(rentalId: string): Promise<void> {
    const target = this.mountPoint(rentalId);
    if (await isMounted(target)) {
      const plain = await run('umount', [target], { path: this.path });
      if (plain.code !== 0) await mustRun('umount', ['-l', target], { path: this.path });
    }
    await rmdir(target).catch(() => undefined);
  }

  /** Unmounts and deletes. */
  async destroy(rentalId: string): Promise<void> {
    await this.unmount(rentalId);
    await rm(this.image(rentalId), { force: true });
  }

  async list(): Promise<{ rentalId: string; sizeBytes: number; mounted: boolean }[]> {
    const targets = new Set((await listMounts()).map((mount) => mount.target));
    const files = (await readdir(this.paths.disks).catch(() => [])).filter((file) => file.endsWith('.img'));
    return Promise.all(files.map(async (file) => {
      const rentalId = file.slice(0, -'.img'.length);
      const { size } = await stat(join(this.paths.disks, file));
      return { rentalId, sizeBytes: size, mounted: targets.has(this.mountPoint(rentalId)) };
    }));
  }

  async use(rentalId: string): Promise<DiskUse | null> {
    const target = this.mountPoint(rentalId);
    if (!(await isMounted(target))) return null;
    const fs = await statfs(target);
    return { sizeBytes: fs.blocks * fs.bsize, usedBytes: (fs.blocks - fs.bfree) * fs.bsize };
  }

  /** `nodiscard`: mkfs would otherwise give the space that was just set aside back to the pool. */
  private async format(image: string, bytes: number, owner: Owner): Promise<void> {
    const part = `${image}.part`;
    try {
      await mustRun('fallocate', ['-l', String(bytes), part], { path: this.path });
      const extended = `nodiscard,lazy_itable_init=1,root_owner=${owner.uid}:${owner.gid}`;
      await mustRun('mkfs.ext4', ['-q', '-F', '-m', '0', '-O', '^has_journal', '-E', extended, part], { path: this.path });
      await rename(part, image);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }
}
