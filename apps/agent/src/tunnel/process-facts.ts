import { readFile, readdir, readlink } from 'node:fs/promises';
import { isOutsideInstances } from '../pid-namespace.js';

/** A process that may belong to nobody we started: the start time tells it from a later one with the same pid. */
export interface ProcessId {
  pid: number;
  /** Clock ticks after boot, from /proc/<pid>/stat. */
  startTicks: number;
}

/** Undefined when the process is gone or a zombie: an init that reaps nobody leaves those for ever. */
export async function identify(pid: number): Promise<ProcessId | undefined> {
  const stat = await readProc(`/proc/${pid}/stat`);
  // The command name may hold spaces and brackets; what follows the last bracket is fixed: state, ppid, … field 22.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (!fields || fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const startTicks = Number(fields[19]);
  return Number.isFinite(startTicks) ? { pid, startTicks } : undefined;
}

export async function isAlive(process: ProcessId): Promise<boolean> {
  return (await identify(process.pid))?.startTicks === process.startTicks;
}

/** Does this process run with `argument` on its command line? */
export async function hasArgument(pid: number, argument: string): Promise<boolean> {
  return (await readProc(`/proc/${pid}/cmdline`))?.split('\0').includes(argument) ?? false;
}

/** Every process with `argument` on its command line, but those of instances: they write there what they like. */
export async function findByArgument(argument: string): Promise<ProcessId[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: ProcessId[] = [];
  for (const pid of pids) {
    const ours = (await hasArgument(pid, argument)) && (await isOutsideInstances(pid));
    const process = ours ? await identify(pid) : undefined;
    if (process) found.push(process);
  }
  return found;
}

/** Socket inodes of the process's established TCP connections to this remote port. */
export async function establishedTo(pid: number, remotePort: number): Promise<Set<string>> {
  const own = await socketInodes(pid);
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readProc(`/proc/${pid}/net/${name}`)));
  const rows = tables.flatMap((table) => table?.split('\n').slice(1) ?? []).map((row) => row.trim().split(/\s+/));
  const wanted = `:${remotePort.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = rows.filter((row) => row[2]?.endsWith(wanted) === true && row[3] === '01').map((row) => row[9] ?? '');
  return new Set(inodes.filter((inode) => own.has(inode)));
}

async function socketInodes(pid: number): Promise<Set<string>> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}

/** A process may end between any two reads: that is an answer, not a fault. */
const readProc = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);
