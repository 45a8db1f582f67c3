import type { InstanceSpec } from '@muster/shared-types';
import { pack } from 'tar-stream';

export const ONSTART_FILE = '/etc/muster/onstart';

/**
 * Runs `onstart` once in an instance's life, however often it is called: `mkdir` of the marker lets one caller through.
 * The shell leaves it in the background with its output in a file of the tenant's own.
 */
export const ONSTART_COMMAND = [
  'sh',
  '-c',
  `mkdir /etc/muster/onstart.started 2>/dev/null || exit 0; cd /root 2>/dev/null; sh ${ONSTART_FILE} >/var/log/onstart.log 2>&1 </dev/null`,
];

interface Entry {
  name: string;
  mode: number;
  content?: string;
}

function entriesOf(spec: InstanceSpec): Entry[] {
  const entries: Entry[] = [];
  if (spec.ssh) {
    const keys = spec.ssh.authorized_keys.map((key) => `${key.trim()}\n`).join('');
    entries.push(
      { name: 'etc/ssh/', mode: 0o755 },
      { name: 'etc/ssh/ssh_host_ed25519_key', mode: 0o600, content: `${spec.ssh.host_private_key.trim()}\n` },
      { name: 'etc/ssh/authorized_keys/', mode: 0o755 },
      { name: 'etc/ssh/authorized_keys/root', mode: 0o644, content: keys },
      { name: 'root/.ssh/', mode: 0o700 },
      { name: 'root/.ssh/authorized_keys', mode: 0o600, content: keys },
    );
  }
  if (spec.onstart !== '') entries.push({ name: 'etc/muster/', mode: 0o755 }, { name: ONSTART_FILE.slice(1), mode: 0o700, content: spec.onstart });
  return entries;
}

/** Keys and `onstart` as a tar archive for the root of a created container; null when there is nothing to put in. */
export async function instanceArchive(spec: InstanceSpec): Promise<Buffer | null> {
  const entries = entriesOf(spec);
  if (entries.length === 0) return null;
  const archive = pack();
  for (const { name, mode, content } of entries) {
    if (content === undefined) archive.entry({ name, mode, type: 'directory', uid: 0, gid: 0 });
    else archive.entry({ name, mode, uid: 0, gid: 0 }, content);
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
