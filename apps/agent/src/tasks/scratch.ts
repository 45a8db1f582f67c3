import { chmod, chown, mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionSpec } from '@muster/shared-types';
import { CommandError } from '../docker/command.js';
import { Disks } from '../docker/disks.js';
import type { JobHost } from '../docker/types.js';
import { nodeFault } from './execution-fault.js';
import { keyOf, NOBODY } from './sandbox-spec.js';

/** Folders on the host that become `/input` and `/output`. */
export interface ScratchFolders {
  input: string | null;
  output: string | null;
}

/** A write that does not fit is refused while some blocks are still free. */
const FULL_BYTES = 4 * 2 ** 20;

/**
 * Room of executions. What is fetched and what is put out lie on a disk of exactly `disk_gb`, so neither can take more;
 * inline inputs alone, a few megabytes, need no disk of their own.
 */
export class Scratch {
  private readonly disks: Disks;

  constructor(private readonly host: JobHost) {
    this.disks = new Disks(host.folders, host.path);
  }

  async make(spec: ExecutionSpec): Promise<ScratchFolders> {
    const hasInputs = spec.inputs.length > 0;
    const root = needsDisk(spec) ? await this.makeDisk(spec) : hasInputs ? this.smallFolder(keyOf(spec)) : null;
    if (root === null) return { input: null, output: null };
    const input = hasInputs ? join(root, 'input') : null;
    const output = spec.outputs === null ? null : join(root, 'output');
    for (const folder of [root, input, output]) if (folder !== null) await openFolder(folder);
    if (output !== null) await chown(output, this.host.owner.uid + NOBODY, this.host.owner.gid + NOBODY);
    return { input, output };
  }

  /** Where `/output` of an execution that has ended lies. */
  async outputOf(key: string): Promise<string> {
    return join(await this.disks.mount(diskName(key)), 'output');
  }

  async isFull(key: string): Promise<boolean> {
    if (!(await this.disks.has(diskName(key)))) return false;
    const { bavail, bsize, ffree } = await statfs(await this.disks.mount(diskName(key)));
    return bavail * bsize < FULL_BYTES || ffree === 0;
  }

  async remove(key: string): Promise<void> {
    await this.disks.destroy(diskName(key));
    await rm(this.smallFolder(key), { recursive: true, force: true });
  }

  /** Keys of every execution that has room here. */
  async keys(): Promise<string[]> {
    const [disks, folders] = await Promise.all([this.disks.list(), readdir(this.host.folders.inputs)]);
    return [...disks.map((disk) => disk.rentalId.slice(PREFIX.length)), ...folders];
  }

  private async makeDisk(spec: ExecutionSpec): Promise<string> {
    try {
      return await this.disks.ensure(diskName(keyOf(spec)), spec.disk_gb, { uid: 0, gid: 0 });
    } catch (error) {
      if (error instanceof CommandError) throw nodeFault('disk_full', `The host could not make a disk of ${spec.disk_gb} GB.`);
      throw error;
    }
  }

  private smallFolder(key: string): string {
    return join(this.host.folders.inputs, key);
  }
}

const PREFIX = 'job-';
const diskName = (key: string): string => PREFIX + key;

const needsDisk = (spec: ExecutionSpec): boolean => spec.outputs !== null || spec.inputs.some((input) => input.kind === 'fetch');

/** chmod as well: a umask takes bits from mkdir, and the program inside is nobody. */
async function openFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await chmod(folder, 0o755);
}
