import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { isOutsideInstances } from '../pid-namespace.js';
import { DEFAULT_PATH } from './command.js';
import type { EnginePaths } from './engine-paths.js';
import { writeJobRuntimes } from './job-runtime.js';
import type { EngineConfig } from './types.js';
import { uplinkMtu } from './host-network.js';

export interface OwnProcess {
  pid: number;
  name: string;
  argv: string[];
}

/** Processes with our run folder among their arguments: dockerd, containerd, its shims; no instance that imitates them. Zombies have no arguments. */
export async function findOwnProcesses(paths: EnginePaths): Promise<OwnProcess[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const found = await Promise.all(pids.map(async (pid): Promise<OwnProcess | null> => {
    const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    const ours = argv.some((arg) => arg.includes(`${paths.runDir}/`));
    return ours && (await isOutsideInstances(Number(pid))) ? { pid: Number(pid), name: basename(argv[0] ?? ''), argv } : null;
  }));
  return found.filter((process) => process !== null);
}

/** One of the two daemons, or undefined. Its children and tools such as `docker -H` have other names. */
export async function findDaemon(paths: EnginePaths, name: string): Promise<OwnProcess | undefined> {
  return (await findOwnProcesses(paths)).find((process) => process.name === name);
}

/** Detached, in a session of its own: it outlives a killed agent. The log starts anew once it is past 4 MiB. */
async function startDetached(command: string, args: readonly string[], logFile: string, env: NodeJS.ProcessEnv): Promise<{ pid: number; exited: () => boolean }> {
  const size = await stat(logFile).then((file) => file.size, () => 0);
  if (size > 4 * 2 ** 20) await rename(logFile, `${logFile}.1`);
  const log = await open(logFile, 'a', 0o600);
  try {
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log.fd, log.fd], env, cwd: '/' });
    let exited = false;
    child.on('exit', () => (exited = true));
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    return { pid: child.pid ?? 0, exited: () => exited };
  } finally {
    await log.close();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const socketAnswers = (socketPath: string): Promise<boolean> => new Promise((resolve) => {
  const socket = connect(socketPath);
  const settle = (answer: boolean): void => {
    socket.destroy();
    resolve(answer);
  };
  socket.once('connect', () => settle(true)).once('error', () => settle(false));
});

const dockerAnswers = (socketPath: string): Promise<boolean> => new Promise((resolve) => {
  const request = get({ socketPath, path: '/_ping', timeout: 5000 }, (response) => {
    response.resume();
    resolve(response.statusCode === 200);
  });
  request.once('error', () => resolve(false)).once('timeout', () => request.destroy(new Error('timeout')));
});

async function lastWords(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-3).join(' | ').slice(-800);
}

interface Daemon {
  name: string;
  command: string;
  args: string[];
  log: string;
  ready: () => Promise<boolean>;
}

/** Starts a daemon unless it runs, and waits until it answers. True when one was adopted. */
async function ensureDaemon(config: EngineConfig, paths: EnginePaths, daemon: Daemon, deadlineMs: number): Promise<boolean> {
  const adopted = (await findDaemon(paths, daemon.name)) !== undefined;
  const env = { ...config.proxyEnv, PATH: config.path ?? DEFAULT_PATH, TMPDIR: paths.runDir };
  const started = adopted ? null : await startDetached(daemon.command, daemon.args, daemon.log, env);
  const deadline = performance.now() + deadlineMs;
  while (!(await daemon.ready())) {
    if (started?.exited()) throw new Error(`${daemon.name} ended at once: ${await lastWords(daemon.log)}`);
    if (performance.now() > deadline) throw new Error(`${daemon.name} does not answer after ${deadlineMs / 1000} s: ${await lastWords(daemon.log)}`);
    await pause(25);
  }
  return adopted;
}

/**
 * Our own containerd: dockerd would otherwise share the one of the owner's Docker when that runs, with its
 * containers under the same namespace and its restarts under our feet.
 */
async function containerdDaemon(config: EngineConfig, paths: EnginePaths): Promise<Daemon> {
  const file = join(paths.runDir, 'containerd.toml');
  await writeFile(file, [
    'version = 2',
    `root = ${JSON.stringify(paths.containerdRoot)}`,
    `state = ${JSON.stringify(join(paths.runDir, 'containerd'))}`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    '[grpc]',
    `  address = ${JSON.stringify(paths.containerdSocket)}`,
    '[debug]',
    '  level = "warn"',
    '',
  ].join('\n'));
  return {
    name: 'containerd',
    command: 'containerd',
    args: ['--config', file],
    log: paths.containerdLog,
    ready: () => socketAnswers(paths.containerdSocket),
  };
}

async function dockerdDaemon(config: EngineConfig, paths: EnginePaths): Promise<Daemon> {
  const configFile = join(paths.runDir, 'daemon.json');
  // The owner's /etc/docker/daemon.json must not reach our engine.
  await writeFile(configFile, `${JSON.stringify({ runtimes: await writeJobRuntimes(paths, config.path) })}\n`);
  return {
    name: 'dockerd',
    command: config.dockerdPath ?? 'dockerd',
    args: [
      '--config-file', configFile,
      '--data-root', paths.dataRoot,
      '--exec-root', paths.runDir,
      '--pidfile', join(paths.runDir, 'dockerd.pid'),
      '--host', `unix://${paths.socket}`,
      '--group', 'root',
      '--containerd', paths.containerdSocket,
      '--live-restore',
      '--userns-remap=default',
      '--iptables=false',
      '--ip6tables=false',
      '--ip-forward=false',
      '--ip-masq=false',
      '--userland-proxy=false',
      `--bridge=${config.bridge}`,
      `--mtu=${await uplinkMtu(config)}`,
      '--storage-driver=overlay2',
      '--exec-opt', 'native.cgroupdriver=cgroupfs',
      '--log-level', 'warn',
    ],
    log: paths.dockerdLog,
    ready: () => dockerAnswers(paths.socket),
  };
}

/** Both daemons up and answering. True when a running dockerd was adopted. Throws with the daemon's last words. */
export async function ensureDaemons(config: EngineConfig, paths: EnginePaths): Promise<boolean> {
  const sameContainerd = await ensureDaemon(config, paths, await containerdDaemon(config, paths), 15_000);
  const orphan = sameContainerd ? undefined : await findDaemon(paths, 'dockerd');
  // A dockerd that lost its containerd fails calls for ten seconds and more; a fresh one takes the containers over at once.
  if (orphan) await endProcesses([orphan.pid], 0);
  if (!(await findDaemon(paths, 'dockerd'))) {
    // A pid file of a killed dockerd stops the next one when its number has been given to another process.
    await rm(join(paths.runDir, 'dockerd.pid'), { force: true });
    await rm(paths.socket, { force: true });
  }
  return ensureDaemon(config, paths, await dockerdDaemon(config, paths), 45_000);
}

/** Makes a dockerd that was adopted read its runtimes anew: it may have been started by an older agent. */
export async function rereadRuntimes(paths: EnginePaths): Promise<void> {
  const dockerd = await findDaemon(paths, 'dockerd');
  if (dockerd) sendSignal(dockerd.pid, 'SIGHUP');
}

/** A zombie counts as ended: only its parent can clear it away, and it holds nothing. */
export function isAlive(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !status.slice(status.lastIndexOf(')')).startsWith(') Z');
  } catch {
    return false;
  }
}

/** Ends processes and waits for their end: `SIGTERM` for `graceMs`, then `SIGKILL`. */
export async function endProcesses(pids: readonly number[], graceMs: number): Promise<void> {
  const left = (): number[] => pids.filter(isAlive);
  for (const [signal, waitMs] of [['SIGTERM', graceMs], ['SIGKILL', 5000]] as const) {
    if (waitMs > 0) for (const pid of left()) sendSignal(pid, signal);
    const deadline = performance.now() + waitMs;
    while (left().length > 0 && performance.now() < deadline) await pause(20);
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended between the look and the signal: what was wanted.
  }
}
