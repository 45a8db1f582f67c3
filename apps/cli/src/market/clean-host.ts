import { readdir, readFile, readlink } from 'node:fs/promises';
import { isRunning, stopProcess, identify } from '@muster/local-services';
import { programOf } from './layout.js';
import { runOnce } from './run-once.js';

/** Removes what the agent of a state folder that could not say goodbye left behind: instances, engine, mounts, rules, bridge, frpc. */
export async function cleanHost(stateDir: string, env: Record<string, string>): Promise<void> {
  await stopFrpc(stateDir);
  await runOnce(process.execPath, [programOf('agent'), 'clean'], { env, timeoutMs: 120_000, what: 'clearing this machine of instances' });
}

/** frpc outlives a killed agent on purpose; it is known by its configuration file. */
async function stopFrpc(stateDir: string): Promise<void> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  await Promise.all(pids.map(async (pid) => {
    const identity = (await isFrpcOf(pid, stateDir)) ? await identify(pid) : undefined;
    if (identity && (await isRunning(identity))) await stopProcess(identity, [{ signal: 'SIGTERM', graceMs: 2_000 }, { signal: 'SIGKILL', graceMs: 5_000 }]);
  }));
}

async function isFrpcOf(pid: number, stateDir: string): Promise<boolean> {
  const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
  if (!program.split('/').at(-1)?.startsWith('frpc')) return false;
  return (await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')).includes(`${stateDir}/`);
}
