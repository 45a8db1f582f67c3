import { spawn } from 'node:child_process';
import { open, readdir, readFile } from 'node:fs/promises';
import { adoptService, identify, sharesPidNamespace, stopProcess, waitFor, type ProcessIdentity, type ServiceExit, type ServiceProcess, type StopStep } from '@muster/local-services';

/**
 * Stands in the environment of every process that a supervisor starts, so that the next one finds them whatever happened
 * to the first: no record on disk can be lost, stale or half written.
 */
const MARKER = 'MUSTER_SUPERVISED';

export interface ChildSpec {
  /** Name of the part, once per market. */
  name: string;
  home: string;
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Changes with command, settings and program; a running process with another one is replaced, not adopted. */
  fingerprint: string;
  logFile: string;
}

export interface RunningChild {
  identity: ProcessIdentity;
  adopted: boolean;
  exited: Promise<ServiceExit>;
}

interface Marked {
  identity: ProcessIdentity;
  name: string;
  fingerprint: string;
}

/** Every process that a supervisor of this folder started and that still runs. */
export async function findChildren(home: string): Promise<Marked[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(pids.map((pid) => markedProcess(pid, home)));
  return found.filter((child) => child !== undefined);
}

/** A process may end while it is looked at, belong to somebody else, or be a container's, with a mark it gave itself: then it is none of ours. */
async function markedProcess(pid: number, home: string): Promise<Marked | undefined> {
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  const prefix = `${MARKER}=`;
  const value = environment.split('\0').find((entry) => entry.startsWith(prefix))?.slice(prefix.length);
  const [name, fingerprint, ...folder] = value?.split(':') ?? [];
  if (!name || !fingerprint || folder.join(':') !== home || !(await sharesPidNamespace(pid))) return undefined;
  const identity = await identify(pid);
  return identity && { identity, name, fingerprint };
}

/** Adopts the one that runs if it is the same program with the same settings; else replaces it. */
export async function startChild(spec: ChildSpec, replace: readonly StopStep[]): Promise<RunningChild> {
  const running = (await findChildren(spec.home)).filter((child) => child.name === spec.name);
  const same = running.find((child) => child.fingerprint === spec.fingerprint);
  await Promise.all(running.filter((child) => child !== same).map((child) => stopProcess(child.identity, replace)));
  return same ? adoptService(same.identity) : spawnChild(spec);
}

/** In a session of its own: neither Ctrl-C in our terminal nor our death reaches it. */
async function spawnChild(spec: ChildSpec): Promise<ServiceProcess> {
  const log = await open(spec.logFile, 'a', 0o640);
  try {
    const env = { ...spec.env, [MARKER]: `${spec.name}:${spec.fingerprint}:${spec.home}` };
    const child = spawn(spec.command, spec.args, { cwd: '/', detached: true, env, stdio: ['ignore', log.fd, log.fd] });
    const exited = new Promise<ServiceExit>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    const identity = (await identify(child.pid ?? -1)) ?? { pid: child.pid ?? -1, startTicks: -1 };
    return { identity, adopted: false, exited };
  } finally {
    await log.close();
  }
}

/** Waits until a child answers; fails at once, with the end of its log, when it ends before. */
export async function untilAnswers(child: RunningChild, spec: Pick<ChildSpec, 'name' | 'logFile'>, answers: () => Promise<boolean>, deadlineMs: number): Promise<void> {
  let ended: ServiceExit | undefined;
  void child.exited.then((exit) => (ended = exit));
  await waitFor(async () => ended !== undefined || (await answers()), { deadlineMs, what: `${spec.name} to answer (its log: ${spec.logFile})`, everyMs: 25 });
  if (ended) throw new Error(`${spec.name} ended while starting (${exitWords(ended)}). The end of ${spec.logFile}:\n${await logTail(spec.logFile)}`);
}

export function exitWords(exit: ServiceExit): string {
  if (exit.signal) return exit.signal;
  return exit.code === null ? 'ended' : `exit ${exit.code}`;
}

const LONGEST_LINE = 400;

/** The last lines of a log, each cut to what a person reads. */
export async function logTail(file: string, lines = 5): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .trimEnd()
    .split('\n')
    .slice(-lines)
    .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line))
    .join('\n');
}
