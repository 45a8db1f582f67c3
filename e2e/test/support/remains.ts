import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { must } from './run.js';

export interface Footprint {
  home: string;
  /** One per node of the machine. */
  bridges: readonly string[];
  /** Sockets and pid files of each engine; every process of it names it. */
  runDirs: readonly string[];
  /** TCP ports that parts of this market listened on. */
  ports: readonly number[];
}

export type Remains = Record<'processes' | 'mounts' | 'loops' | 'runFolders' | 'links' | 'tables' | 'listeners', string[]>;

export const NOTHING: Remains = { processes: [], mounts: [], loops: [], runFolders: [], links: [], tables: [], listeners: [] };

/** Everything of a market that is on this machine beside the files of its own folder. */
export async function remainsOf({ home, bridges, runDirs, ports }: Footprint): Promise<Remains> {
  const [processes, runFolders, mounts, loops, links, tables, sockets] = await Promise.all([
    processesOf([home, ...runDirs]),
    readdir('/run/muster').catch(() => []),
    readFile('/proc/self/mountinfo', 'utf8'),
    must('losetup', ['-n', '-O', 'BACK-FILE']),
    readdir('/sys/class/net'),
    must('nft', ['list', 'tables']),
    must('ss', ['-Hltn']),
  ]);
  const listening = new Set(lines(sockets).map((line) => Number(/:(\d+)\s/.exec(line)?.[1])));
  return {
    processes,
    mounts: lines(mounts).filter((line) => line.includes(`${home}/`)),
    loops: lines(loops).filter((line) => line.includes(`${home}/`)),
    runFolders: runFolders.filter((name) => runDirs.some((runDir) => name === basename(runDir))),
    links: links.filter((link) => bridges.includes(link)),
    tables: lines(tables).filter((line) => bridges.some((bridge) => line.endsWith(`_${bridge}`))),
    listeners: ports.filter((port) => listening.has(port)).map(String),
  };
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** Whoever has one of the folders among its arguments or in its environment: parts, engine, frpc, shims. */
async function processesOf(folders: readonly string[]): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid);
  const found = await Promise.all(pids.map(async (pid) => {
    const [commandLine, environment] = await Promise.all(['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')));
    const words = `${commandLine}\0${environment}`;
    return folders.some((folder) => words.includes(folder)) ? `${pid} ${commandLine?.replaceAll('\0', ' ').trim()}` : undefined;
  }));
  return found.filter((one) => one !== undefined);
}
