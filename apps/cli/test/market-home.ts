import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findFrp } from '@muster/testkit/frp/binaries';
import { programOf } from '../src/market/layout.js';

export interface CliRun {
  code: number;
  stdout: string;
  stderr: string;
}

/** A market of its own in a temporary folder, driven through the command line as a person drives it. */
export interface MarketHome {
  home: string;
  run(...args: string[]): Promise<CliRun>;
  /** The JSON answer of a command that must succeed. */
  json(...args: string[]): Promise<Record<string, unknown>>;
  /** Whatever of this market is left on the machine, in words; empty = nothing. */
  remains(): Promise<string[]>;
  remove(): Promise<void>;
}

const POOL_GB = '6';
const exec = promisify(execFile);

export async function marketHome(): Promise<MarketHome> {
  const base = await mkdtemp(join(tmpdir(), 'muster-up-'));
  await chmod(base, 0o755); // Postgres runs as a user of its own
  const home = join(base, 'home');
  const { frps, frpc } = await findFrp();
  const env = { PATH: process.env['PATH'], HOME: base, MUSTER_HOME: home, MUSTER_CALLER_HOME: base, FRPS_PATH: frps, FRPC_PATH: frpc, MUSTER_AGENT_POOL_GB: POOL_GB };
  const run = (...args: string[]): Promise<CliRun> => cli(args, env);
  return {
    home,
    run,
    json: async (...args) => {
      const { code, stdout, stderr } = await run(...args, '--json');
      if (code !== 0) throw new Error(`muster ${args.join(' ')}: exit ${code}\n${stderr}`);
      return JSON.parse(stdout) as Record<string, unknown>;
    },
    remains: () => remains(home),
    remove: async () => {
      await run('down', '--yes');
      await rm(base, { recursive: true, force: true });
    },
  };
}

function cli(args: readonly string[], env: NodeJS.ProcessEnv): Promise<CliRun> {
  return new Promise((resolve) => {
    execFile(process.execPath, [programOf('cli'), ...args], { env, maxBuffer: 8 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ code: error ? (typeof error.code === 'number' ? error.code : 1) : 0, stdout, stderr });
    });
  });
}

async function remains(home: string): Promise<string[]> {
  const settings = JSON.parse(await readFile(join(home, 'market.json'), 'utf8')) as { ports: Record<string, number>; bridge: string };
  const [mounts, loops, links, tables, listeners] = await Promise.all([
    readFile('/proc/self/mounts', 'utf8'),
    exec('losetup', ['-a']).then(({ stdout }) => stdout),
    exec('ip', ['-o', 'link']).then(({ stdout }) => stdout),
    exec('nft', ['list', 'tables']).then(({ stdout }) => stdout),
    exec('ss', ['-Hltn']).then(({ stdout }) => stdout),
  ]);
  const ports = [settings.ports['api'], settings.ports['postgres'], settings.ports['redis'], settings.ports['gate'], settings.ports['frps'], settings.ports['frps_admin']];
  return [
    ...(await processesOf(home)),
    ...linesWith(mounts, `${home}/`),
    ...linesWith(loops, `${home}/`),
    ...linesWith(links, `${settings.bridge}:`),
    ...linesWith(tables, `_${settings.bridge}`),
    ...ports.flatMap((port) => linesWith(listeners, `:${port} `)),
  ];
}

const linesWith = (text: string, part: string): string[] => text.split('\n').filter((line) => line.includes(part));

/** By command line or environment: what was started for this folder names it. */
async function processesOf(home: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(pids.map(async (pid) => {
    const [cmdline, environ] = await Promise.all(['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')));
    return `${cmdline}${environ}`.includes(home) ? [`process ${pid}: ${cmdline?.replaceAll('\0', ' ').slice(0, 200)}`] : [];
  }));
  return found.flat();
}
