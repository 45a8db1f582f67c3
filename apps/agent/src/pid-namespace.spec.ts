import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { until } from '@muster/testkit/engine/until';
import { afterEach, describe, expect, it } from 'vitest';
import { findDaemon } from './docker/daemons.js';
import { enginePaths } from './docker/engine-paths.js';
import { findByArgument } from './tunnel/process-facts.js';

const canUnshare = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;
const paths = enginePaths({ musterHome: '/nowhere', stateDir: `/nowhere/imitated-${process.pid}`, bridge: 'none', subnet: '10.0.0.0/24', poolGb: 1, proxyEnv: {} });
const mark = `${paths.runDir}/mark`;
/** Says that it is up, and then is, to all that its arguments tell, our dockerd. */
const IMITATION = `echo up; exec -a dockerd tail -f /dev/null "$0" 2> /dev/null`;

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

async function imitate(prefix: readonly string[]): Promise<void> {
  const args = [...prefix, 'bash', '-c', IMITATION, mark];
  const child = spawn('env', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  started.push(child);
  await new Promise((resolve, reject) => child.once('error', reject).stdout.once('data', resolve));
}

/** By its arguments alone. */
async function imitationPid(): Promise<number | undefined> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (argv[0] === 'dockerd' && argv.includes(mark)) return Number(pid);
  }
  return undefined;
}

describe('a process that has the arguments of ours', () => {
  it('is ours in our own pid namespace', async () => {
    await imitate([]);
    await until('it is found', async () => (await findDaemon(paths, 'dockerd')) !== undefined);
    expect(await findByArgument(mark)).toHaveLength(1);
  });

  it.skipIf(!canUnshare)('is not ours in another one, as that of an instance', async () => {
    await imitate(['unshare', '--pid', '--fork', '--kill-child']);
    const pid = await until('it runs', imitationPid);
    expect(await findDaemon(paths, 'dockerd')).toBeUndefined();
    expect((await findByArgument(mark)).map((one) => one.pid)).not.toContain(pid);
  });
});
