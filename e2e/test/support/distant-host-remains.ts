import { join } from 'node:path';
import { REPOSITORY } from './caches.js';
import { must, run } from './run.js';

const AGENT = join(REPOSITORY, 'apps/agent/dist/main.js');

/** Folder of a distant host below that of its market. */
export const FOLDER = 'distant';

/** Of the host's namespace and of all that belongs to it on this machine. */
export const nameOf = (pid: number): string => `mfar${pid}`;

export const agentEnv = (env: NodeJS.ProcessEnv, home: string): NodeJS.ProcessEnv => ({ ...env, MUSTER_HOME: home, MUSTER_AGENT_STOP_ENGINE: 'true' });

/** Whatever is there of a distant host; nothing there is fine. */
export async function removeHost(name: string, home: string, env: NodeJS.ProcessEnv): Promise<void> {
  const namespace = `/run/netns/${name}`;
  if ((await run('test', ['-e', namespace])).code !== 0) return;
  const settings = { ...agentEnv(env, home), MUSTER_URL: 'http://127.0.0.1:9', MUSTER_HOST_API_KEY: 'msh_none' };
  if ((await run('test', ['-d', join(home, 'agent')])).code === 0) await must('nsenter', [`--net=${namespace}`, process.execPath, AGENT, 'clean'], { env: settings });
  const left = (await run('ip', ['netns', 'pids', name])).stdout.split('\n').filter((pid) => pid !== '');
  for (const pid of left) await run('kill', ['-KILL', pid]);
  await must('ip', ['netns', 'del', name]);
  await run('ip', ['link', 'del', name]); // goes with the namespace, a moment later
  await run('nft', ['delete', 'table', 'inet', `${name}_cut`]);
}

/** Removes what a killed test run left of the distant host of its market. */
export async function reapDistantHost(pid: number, marketHome: string, env: NodeJS.ProcessEnv): Promise<void> {
  await removeHost(nameOf(pid), join(marketHome, FOLDER), env);
}
