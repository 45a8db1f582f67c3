import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** Debian's `busybox-static`: one file that needs no library. */
export const BUSYBOX = '/usr/bin/busybox';
export const TEST_IMAGE = 'muster/busybox:latest';

const LINE = 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n';

/**
 * Writes an image archive of busybox alone (`busybox-<hash>.tar` and `.json`) into a folder, in the form that the agent
 * imports. Its command prints one line and then waits for SIGTERM.
 */
export async function writeTestImage(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const hash = createHash('sha256').update(await readFile(BUSYBOX)).digest('hex').slice(0, 12);
  const base = join(folder, `busybox-${hash}`);
  const root = await mkdtemp(join(tmpdir(), 'muster-test-image-'));
  try {
    await fillRoot(root);
    await exec('tar', ['-C', root, '--numeric-owner', '--owner=0', '--group=0', '-cf', `${base}.tar`, '.']);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  const command = ['/bin/sh', '-c', "trap 'exit 0' TERM; echo ready; while :; do sleep 1 & wait $!; done"];
  const changes = [`CMD ${JSON.stringify(command)}`, 'ENV PATH=/bin', 'ENV NVIDIA_VISIBLE_DEVICES=all', 'LABEL muster.image.name=busybox', `LABEL muster.image.hash=${hash}`];
  await writeFile(`${base}.json`, JSON.stringify({ name: 'busybox', hash, import_changes: changes }));
}

async function fillRoot(root: string): Promise<void> {
  for (const folder of ['bin', 'etc', 'root', 'tmp', 'var/log', 'dev', 'proc', 'sys', 'mnt']) await mkdir(join(root, folder), { recursive: true });
  await chmod(join(root, 'tmp'), 0o1777);
  await chmod(root, 0o755);
  await copyFile(BUSYBOX, join(root, 'bin/busybox'));
  await chmod(join(root, 'bin/busybox'), 0o755);
  await writeFile(join(root, 'etc/passwd'), LINE);
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n');
  const { stdout } = await exec(BUSYBOX, ['--list']);
  for (const applet of stdout.split('\n')) if (applet !== '' && applet !== 'busybox') await symlink('busybox', join(root, 'bin', applet));
}
