import { readdir, readFile, readlink } from 'node:fs/promises';
import { waitFor } from './wait-for.js';

/** One process for certain: a pid is used again after its process ended, a pid with its start time is not. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot at which the process started. */
  startTicks: number;
}

/** Who runs under this pid now; undefined when nobody does, or only a zombie that waits for its parent. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The name in field 2 may hold spaces and parentheses: count from its last closing parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, startTicks: Number(fields[19]) };
}

export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  const now = await identify(identity.pid);
  return now?.startTicks === identity.startTicks;
}

/** Sends a signal to exactly this process. False when it has ended. */
export async function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isRunning(identity))) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

export interface StopStep {
  signal: NodeJS.Signals;
  /** How long the process may take before the next, harder step. */
  graceMs: number;
}

/** Goes through the steps until the process is gone; throws when it outlives the last one. */
export async function stopProcess(identity: ProcessIdentity, steps: readonly StopStep[]): Promise<void> {
  for (const step of steps) {
    await signalProcess(identity, step.signal);
    if (await endsWithin(identity, step.graceMs)) return;
  }
  throw new Error(`process ${identity.pid} is still running after ${steps.map((step) => step.signal).join(', ')}`);
}

async function endsWithin(identity: ProcessIdentity, deadlineMs: number): Promise<boolean> {
  const gone = waitFor(async () => !(await isRunning(identity)), { deadlineMs, what: `process ${identity.pid} to end` });
  return gone.then(() => true, () => false);
}

const pidNamespaceOf = (pid: number | 'self'): Promise<string | undefined> => readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);

/**
 * False for a process of a container, and for one that has ended. A container chooses its arguments, environment and
 * folders as it likes, so none of them alone shows that a process is ours; its pid namespace it cannot leave.
 */
export async function sharesPidNamespace(pid: number): Promise<boolean> {
  const [own, other] = await Promise.all([pidNamespaceOf('self'), pidNamespaceOf(pid)]);
  return own !== undefined && other === own;
}

/** Every process, outside containers, whose working folder is this one. Servers of ours work in their data folder, so this finds them. */
export async function processesIn(folder: string): Promise<ProcessIdentity[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => ((worksIn(pid, folder)).then((yes) => (yes ? identify(pid) : undefined)))));
  return found.filter((identity) => identity !== undefined);
}

async function worksIn(pid: number, folder: string): Promise<boolean> {
  return (await readlink(`/proc/${pid}/cwd`).catch(() => undefined)) === folder && (await sharesPidNamespace(pid));
}
