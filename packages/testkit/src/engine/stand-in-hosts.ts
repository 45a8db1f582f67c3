import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { BUSYBOX } from './test-image.js';
import { until } from './until.js';

const exec = promisify(execFile);
const ip = (...args: string[]): Promise<unknown> => exec('ip', args);

/** Says `pong` to whoever connects to any of its addresses at port 8080. */
export interface StandInHosts {
  /** Addresses of this host itself in those networks: a private one and a public one. */
  self: readonly [string, string];
  /** A machine in a private network beside the host. */
  lan: string;
  /** A machine in a network with public addresses that the host sits in directly. */
  publicLan: string;
  /** Where clouds serve a machine's credentials. */
  metadata: string;
  /** Somewhere in the internet: behind a router, with a public address. */
  internet: string;
  port: number;
  close(): Promise<void>;
}

const METADATA = '169.254.169.254';

/**
 * One network namespace that plays every machine around a host, as no real ones may be needed. The addresses are
 * private, link-local, or of the blocks kept for documentation, and gone after `close`.
 */
export async function startStandInHosts(): Promise<StandInHosts> {
  const name = `mh${randomBytes(3).toString('hex')}`;
  const third = randomBytes(1)[0] ?? 0;
  const lan = `192.168.${third}.2`;
  const self = [`192.168.${third}.1`, '198.51.100.1'] as const;
  const publicLan = '198.51.100.2';
  const internet = '198.51.100.200';
  await ip('netns', 'add', name);
  await ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  await ip('addr', 'add', `${self[0]}/24`, 'dev', name);
  await ip('addr', 'add', `${self[1]}/25`, 'dev', name);
  await ip('link', 'set', name, 'up');
  for (const address of [`${lan}/24`, `${publicLan}/25`, `${internet}/32`, `${METADATA}/32`]) await ip('-n', name, 'addr', 'add', address, 'dev', 'eth0');
  for (const link of ['lo', 'eth0']) await ip('-n', name, 'link', 'set', link, 'up');
  await ip('-n', name, 'route', 'add', 'default', 'via', self[0]);
  await ip('route', 'add', '198.51.100.128/25', 'via', lan);
  await ip('route', 'add', `${METADATA}/32`, 'via', lan);
  const server: ChildProcess = spawn('ip', ['netns', 'exec', name, BUSYBOX, 'nc', '-ll', '-p', '8080', '-e', BUSYBOX, 'echo', 'pong'], { stdio: 'ignore' });
  await until('the stand-in hosts answer', () => exec('ip', ['netns', 'exec', name, BUSYBOX, 'nc', '-w', '1', lan, '8080']).then((answer) => answer.stdout.includes('pong'), () => false));
  const close = async (): Promise<void> => {
    server.kill('SIGKILL');
    await exec('ip', ['netns', 'pids', name]).then(({ stdout }) => stdout.split('\n').filter(Boolean).forEach((pid) => process.kill(Number(pid), 'SIGKILL')));
    await ip('netns', 'del', name);
    await ip('link', 'del', name).catch(() => undefined);
  };
  return { self, lan, publicLan, metadata: METADATA, internet, port: 8080, close };
}
