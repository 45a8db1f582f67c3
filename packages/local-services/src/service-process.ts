import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { identify, isRunning, type ProcessIdentity } from './process-identity.js';
import type { UnixUser } from './unix-user.js';
import { idleDelay, waitFor, type WaitOptions } from './wait-for.js';

const ADOPTED_LOOK_MS = 250;
const MAX_LOG_BYTES = 16 * 1024 * 1024;

export interface ServiceExit {
  /** null for a process that a signal ended, and for an adopted one (only its parent learns the code). */
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A server that outlives whoever started it. */
export interface ServiceProcess {
  identity: ProcessIdentity;
  /** True when an earlier process started it and it was found running. */
  adopted: boolean;
  /** Settles when the server has ended, for whatever reason. */
  exited: Promise<ServiceExit>;
}

export interface ServiceCommand {
  command: string;
  args: readonly string[];
  user: UnixUser | undefined;
  logFile: string;
  /** Written to standard input, which is then closed: configuration that must not show up in `ps`. */
  input?: string;
}

/** Starts a server in its own session, so that a signal or a crash of the caller does not reach it. */
export async function spawnService(service: ServiceCommand): Promise<ServiceProcess> {
  const log = await open(service.logFile, (await isTooLong(service.logFile)) ? 'w' : 'a', 0o640);
  try {
    const child = spawn(service.command, service.args, {
      ...service.user,
      cwd: '/',
      detached: true,
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC' },
      stdio: ['pipe', log.fd, log.fd],
    });
    const exited = new Promise<ServiceExit>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.stdin?.on('error', () => undefined); // a server that ended before it read its input tells so by its exit
    child.stdin?.end(service.input ?? '');
    child.unref();
    const identity = (await identify(child.pid ?? -1)) ?? { pid: child.pid ?? -1, startTicks: -1 };
    return { identity, adopted: false, exited };
  } finally {
    await log.close();
  }
}

/** Takes over the watch of a server that is already running. */
export function adoptService(identity: ProcessIdentity): ServiceProcess {
  return { identity, adopted: true, exited: watchUntilGone(identity) };
}

/** Waits until the server answers; fails at once, with the end of its log, when it ends before. */
export async function untilReady(service: ServiceProcess, answers: () => Promise<boolean>, wait: WaitOptions & { logFile: string }): Promise<void> {
  let over = false;
  const ended = service.exited.then(async () => {
    over = true;
    throw new Error(`${wait.what} ended while starting. Last lines of ${wait.logFile}:\n${await lastLines(wait.logFile)}`);
  });
  await Promise.race([waitFor(async () => over || (await answers()), wait), ended]);
  if (over) await ended;
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-15).join('\n');
}

async function watchUntilGone(identity: ProcessIdentity): Promise<ServiceExit> {
  while (await isRunning(identity)) await idleDelay(ADOPTED_LOOK_MS);
  return { code: null, signal: null };
}

async function isTooLong(file: string): Promise<boolean> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return false;
  try {
    return (await handle.stat()).size > MAX_LOG_BYTES;
  } finally {
    await handle.close();
  }
}
