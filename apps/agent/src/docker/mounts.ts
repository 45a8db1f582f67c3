import { readFile } from 'node:fs/promises';
import { mustRun, run } from './command.js';

/** `\040` and its like in mountinfo. */
const unescapePath = (text: string): string => text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));

export interface MountEntry {
  target: string;
  source: string;
}

/** Mounts of this process's namespace, in the order they were made. */
export async function listMounts(): Promise<MountEntry[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  return text.split('\n').filter((line) => line !== '').map((line) => {
    const [fixed = '', rest = ''] = line.split(' - ');
    return { target: unescapePath(fixed.split(' ')[4] ?? ''), source: unescapePath(rest.split(' ')[1] ?? '') };
  });
}

export async function isMounted(target: string): Promise<boolean> {
  return (await listMounts()).some((mount) => mount.target === target);
}

/** Processes that were just killed, and loop devices that were just unmounted, hold on for a moment. */
const BUSY_MS = 5_000;
const BUSY_LOOK_MS = 100;

/** Unmounts everything at or below a folder, newest first; what stays busy is detached and goes with its last user. */
export async function unmountBelow(folder: string, path?: string): Promise<void> {
  const targets = (await listMounts()).map((mount) => mount.target);
  for (const target of targets.filter((t) => t === folder || t.startsWith(`${folder}/`)).reverse()) {
    if (!(await unmounts(target, path))) await run('umount', ['-l', target], { path });
  }
}

async function unmounts(target: string, path: string | undefined): Promise<boolean> {
  const deadline = performance.now() + BUSY_MS;
  for (;;) {
    if ((await run('umount', [target], { path })).code === 0) return true;
    if (performance.now() > deadline || !(await isMounted(target))) return false;
    await new Promise((resolve) => setTimeout(resolve, BUSY_LOOK_MS));
  }
}

/**
 * Mounts an image file. Direct I/O spares the second page cache: measured 1.1 GB/s through two such layers, as fast as the
 * host's own disk, and 130 MB/s without; a file system that cannot do it is mounted all the same. Detaching at once makes
 * the kernel free the device with its last user, so an unmount is all that is ever needed.
 */
export async function mountImage(image: string, target: string, options: string, path?: string): Promise<string> {
  const device = (await mustRun('losetup', ['--find', '--show', image], { path })).trim();
  try {
    await run('losetup', ['--direct-io=on', device], { path });
    await mustRun('mount', ['-o', options, device, target], { path });
  } finally {
    await run('losetup', ['-d', device], { path });
  }
  return device;
}

/** Loop devices whose file lies below a folder: left over when an unmount was lazy or a mount never happened. */
export async function detachLoopsBelow(folder: string, path?: string): Promise<void> {
  const { stdout } = await run('losetup', ['-n', '-l', '-O', 'NAME,BACK-FILE'], { path });
  for (const line of stdout.split('\n')) {
    const match = /^(\S+)\s+(\S.*?)(?: \(deleted\))?$/.exec(line.trim());
    if (match?.[1] && match[2]?.startsWith(`${folder}/`)) await run('losetup', ['-d', match[1]], { path });
  }
}
