import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@muster/testkit';
import type { CliRun } from './market-home.js';

const COPY = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/changed" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changed,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount -t sysfs sysfs "$1/root/sys"
mkdir -p "$1/root$2"
mount --bind "$2" "$1/root$2"
ip link set lo up
echo ready
exec sleep infinity`;

/**
 * This machine once more, to be spoilt: its files with every change kept in memory, its own processes, mounts, network and
 * their settings. Packages and users can be added and removed for real; the machine itself sees nothing of it, and all
 * is gone with the first process inside, which dies with this one.
 */
export class MachineCopy {
  private constructor(
    private readonly folder: string,
    private readonly first: ChildProcess,
    private readonly pid: number,
  ) {}

  /** `shared`: a folder that is the same inside, at the same place. */
  static async open(shared: string): Promise<MachineCopy> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-copy-'));
    await chmod(folder, 0o755);
    const first = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'unshare', '--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child', '--propagation', 'private', 'sh', '-c', COPY, 'copy', folder, shared], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [first.stdout, first.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const copy = await waitFor(() => {
      if (first.exitCode !== null) throw new Error(`no copy of this machine: ${said}`);
      return said.includes('ready');
    }, { deadlineMs: 30_000, what: 'the copy of this machine' }).then(
      async () => new MachineCopy(folder, first, Number((await sh(`pgrep -P ${first.pid ?? 0}`)).stdout)),
      async (error: unknown) => {
        await rm(folder, { recursive: true, force: true });
        throw error;
      },
    );
    return copy;
  }

  /** Runs a shell text as root of the copy. */
  run(script: string, env: Record<string, string> = {}): Promise<CliRun> {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return exec('nsenter', [`--target=${this.pid}`, '--mount', '--pid', '--net', '--ipc', '--uts', 'chroot', join(this.folder, 'root'), 'env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...variables, 'bash', '--norc', '-c', script]);
  }

  /** A script that must succeed; what it printed. */
  async must(script: string, env?: Record<string, string>): Promise<string> {
    const ran = await this.run(script, env);
    if (ran.code !== 0) throw new Error(`${script} ended with ${ran.code}:\n${ran.stderr}${ran.stdout}`);
    return ran.stdout.trim();
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.first.once('exit', resolve));
    this.first.kill('SIGKILL');
    await gone;
    await rm(this.folder, { recursive: true, force: true });
  }
}

const sh = (script: string): Promise<CliRun> => exec('sh', ['-c', script]);

function exec(program: string, args: readonly string[]): Promise<CliRun> {
  return new Promise((resolve) => {
    execFile(program, args, { maxBuffer: 8 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ code: error ? (typeof error.code === 'number' ? error.code : 1) : 0, stdout, stderr });
    });
  });
}

/** Why there can be no copy of this machine; null when there can. */
export async function copyObstacle(): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'needs root';
  const probe = await sh('d=$(mktemp -d) && unshare --mount --pid --net --fork --kill-child --propagation private sh -c \'mount -t tmpfs tmpfs "$1" && mkdir "$1/a" "$1/b" "$1/c" && mount -t overlay overlay -o "lowerdir=/,upperdir=$1/a,workdir=$1/b" "$1/c"\' sh "$d"; code=$?; rmdir "$d"; exit $code');
  return probe.code === 0 ? null : 'needs namespaces and overlayfs';
}
