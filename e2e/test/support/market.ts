import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enginePaths } from '@muster/agent/docker/engine-paths';
import { MarketClient } from '@muster/client';
import { identify, isRunning, type ProcessIdentity } from '@muster/local-services';
import pg from 'pg';
import { z } from 'zod';
import { type Caches, CLI, findCaches } from './caches.js';
import { reapDistantHost } from './distant-host-remains.js';
import { NOTHING, remainsOf, type Remains } from './remains.js';
import { oneAtATime } from './one-at-a-time.js';
import { must, run, type Ran } from './run.js';
import { figure, until } from './until.js';

const HOME_PREFIX = 'muster-e2e-';
const UP_MS = 180_000;

export const PARTS = ['postgres', 'redis', 'gate', 'frps', 'backend', 'agent'] as const;
export type PartName = (typeof PARTS)[number] | 'web';

const Settings = z.object({ ports: z.record(z.string(), z.number()), bridge: z.string(), subnet: z.string(), further_nodes: z.array(z.object({ number: z.number(), bridge: z.string() })) });
const Status = z.object({ state: z.string(), parts: z.array(z.object({ part: z.string(), state: z.string(), pid: z.number().nullable() })) });
const Places = z.object({ url: z.string(), web_url: z.string().nullable(), supervisor_pid: z.number(), node: z.object({ id: z.string() }).nullable() });
const Account = z.object({ email: z.string(), api_key: z.string() });
const Credentials = Account.extend({ url: z.string(), password: z.string().default(''), others: z.array(Account).optional() });

export interface MarketOptions {
  /** Further settings for its parts. */
  env?: Record<string, string>;
  poolGb?: number;
  /** So many nodes of this machine, each of another owner. */
  nodes?: number;
  /** Without it the market has no host on this machine. */
  agent?: boolean;
  /** With the web app. */
  web?: boolean;
  /** Called with the folder before anything starts in it. */
  prepare?: (home: string) => Promise<Record<string, string>>;
}

/**
 * A whole market of real parts in a folder of its own, brought up, driven and taken down through the built command line.
 * The folder's name holds our process id, so that whatever a killed run leaves is found and removed by the next.
 */
export class Market {
  url = '';
  nodeId = '';
  supervisorPid = 0;
  /** Of the web app, where it runs. */
  webUrl = '';
  credentials: z.infer<typeof Credentials> = { url: '', password: '', email: '', api_key: '' };
  private constructor(
    readonly home: string,
    readonly env: NodeJS.ProcessEnv,
    private readonly web: boolean,
  ) {}

  static async open(options: MarketOptions = {}): Promise<Market> {
    await reapOrphans();
    const caches = await findCaches();
    const home = await mkdtemp(join(tmpdir(), `${HOME_PREFIX}${process.pid}-`));
    await chmod(home, 0o755);
    await mkdir(join(home, 'person'), { mode: 0o700 });
    const market = new Market(home, { ...environment(home, caches, options), ...(await options.prepare?.(home)) }, options.web ?? false);
    try {
      await market.up([...(options.agent === false ? ['--no-agent'] : []), ...(options.nodes ? ['--nodes', String(options.nodes), '--owners', String(options.nodes)] : [])]);
    } catch (error) {
      await market.close().catch((other: unknown) => console.error(other));
      throw error;
    }
    return market;
  }

  /** Starts it, or what is not running of it. */
  async up(flags: readonly string[] = []): Promise<void> {
    const { stdout } = await oneAtATime('up', () => this.must(['up', '--detach', '--json', ...(this.web ? [] : ['--no-web']), ...flags], UP_MS));
    const places = Places.parse(JSON.parse(stdout));
    this.url = places.url;
    this.webUrl = places.web_url ?? '';
    this.supervisorPid = places.supervisor_pid;
    this.nodeId = places.node?.id ?? '';
    this.credentials = Credentials.parse(JSON.parse(await readFile(join(this.home, 'credentials.json'), 'utf8')));
  }

  get operator(): MarketClient {
    return new MarketClient({ url: this.url, token: this.credentials.api_key });
  }

  cli(args: readonly string[], withinMs?: number, env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    return run(process.execPath, [CLI, ...args], { env: { ...this.env, ...env }, ...(withinMs !== undefined && { withinMs }) });
  }

  /** A command that must succeed. */
  async must(args: readonly string[], withinMs?: number): Promise<Ran> {
    const ran = await this.cli(args, withinMs);
    if (ran.code !== 0) throw new Error(`muster ${args.join(' ')} ended with ${ran.code}:\n${ran.stderr}${ran.stdout}\n${this.logs()}`);
    return ran;
  }

  /** The process of a part, as the supervisor tells it. */
  async part(name: PartName | `agent-${number}`): Promise<ProcessIdentity> {
    const status = Status.parse(JSON.parse((await this.must(['status', '--json'])).stdout));
    const pid = status.parts.find((part) => part.part === name)?.pid;
    const identity = pid ? await identify(pid) : undefined;
    if (!identity) throw new Error(`${name} does not run`);
    return identity;
  }

  /** SIGKILL of a part; returns when it is gone. */
  async kill(name: PartName | `agent-${number}`): Promise<void> {
    const identity = await this.part(name);
    process.kill(identity.pid, 'SIGKILL');
    await until(`${name} to be gone`, async () => !(await isRunning(identity)));
  }

  /** SIGKILL of a part, which then stays away while `work` runs: its supervisor is stopped meanwhile. */
  async without<T>(name: PartName, work: () => Promise<T>): Promise<T> {
    const identity = await this.part(name);
    return this.whileStopped(this.supervisorPid, async () => {
      process.kill(identity.pid, 'SIGKILL');
      await until(`${name} to be gone`, async () => !(await isRunning(identity)));
      return work();
    });
  }

  /** Runs `work` while a process is stopped but not dead. */
  async whileStopped<T>(pid: number, work: () => Promise<T>): Promise<T> {
    process.kill(pid, 'SIGSTOP');
    try {
      return await work();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }

  async isReady(): Promise<boolean> {
    return (await fetch(new URL('/ready', this.url), { signal: AbortSignal.timeout(3_000) })).ok;
  }

  /** All parts run, the market answers and sees its host. */
  async untilWell(): Promise<void> {
    await until('the market to be ready', () => this.isReady());
    await until('the host to be online', async () => (await this.operator.call('getNode', { params: { node_id: this.nodeId } })).presence === 'online');
  }

  frpcPid(): number {
    return z.object({ pid: z.number() }).parse(JSON.parse(readFileSync(join(this.home, 'agent/frpc/frpc.json'), 'utf8'))).pid;
  }

  /** Where the host's own engine keeps its sockets and pid files. */
  get runDir(): string {
    return this.runDirOf('agent');
  }

  private runDirOf(state: string): string {
    return enginePaths({ musterHome: this.home, stateDir: join(this.home, state), bridge: '', subnet: '', poolGb: 0 }).runDir;
  }

  /** pid of the dockerd of a node's engine. */
  async dockerdPid(node = 1): Promise<number> {
    const runDir = node === 1 ? this.runDir : this.runDirOf(join('agents', String(node)));
    const pid = Number(await readFile(join(runDir, 'dockerd.pid'), 'utf8'));
    if (!(await identify(pid))) throw new Error(`no dockerd of node ${node} runs`);
    return pid;
  }

  /** Runs SQL on the market's own database. */
  async sql<T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
    const client = new pg.Client({ connectionString: await this.partEnv('DATABASE_URL') });
    await client.connect();
    try {
      return (await client.query<T>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** A setting that the backend was started with. */
  async partEnv(name: string): Promise<string> {
    const { pid } = await this.part('backend');
    const entries = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
    const value = entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
    if (value === undefined) throw new Error(`the backend has no ${name}`);
    return value;
  }

  settings(): z.infer<typeof Settings> {
    return Settings.parse(JSON.parse(readFileSync(join(this.home, 'market.json'), 'utf8')));
  }

  /** What is on this machine of it, beside its folder. */
  async remains(): Promise<Remains> {
    const { ports, bridge, further_nodes: further } = this.settings();
    const listening = Object.entries(ports).filter(([name]) => name !== 'tunnel_last').map(([, port]) => port);
    return remainsOf({
      home: this.home,
      bridges: [bridge, ...further.map((node) => node.bridge)],
      runDirs: [this.runDir, ...further.map(({ number }) => this.runDirOf(join('agents', String(number))))],
      ports: listening,
    });
  }

  /** Takes everything down and removes the folder. Throws, telling what, when something is left on this machine. */
  async close(): Promise<void> {
    if (this.supervisorPid) await run('kill', ['-CONT', String(this.supervisorPid)]); // it may have ended
    const ran = await this.cli(['down', '--yes'], UP_MS);
    // The kernel gives a loop device back a moment after its last user; everything else is gone already.
    const left = await settledRemains(() => this.remains());
    if (ran.code !== 0 || left !== NOTHING) {
      throw new Error(`down ended with ${ran.code} and left ${JSON.stringify(left, null, 2)}\n${ran.stderr}${ran.stdout}\n${this.logs()}`);
    }
    await rm(this.home, { recursive: true, force: true });
  }

  /** The end of every log, for a failure's message. */
  logs(): string {
    return ['supervisor', 'backend', 'agent', 'agent-2', 'agent-3', 'gate', 'frps', 'web'].map((name) => `--- ${name}\n${tail(join(this.home, 'log', `${name}.log`))}`).join('\n');
  }
}

function environment(home: string, caches: Caches, { env, poolGb = 6 }: MarketOptions): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('MUSTER_'));
  return {
    ...Object.fromEntries(inherited),
    HOME: join(home, 'person'),
    MUSTER_HOME: home,
    FRPS_PATH: caches.frp.frps,
    FRPC_PATH: caches.frp.frpc,
    MUSTER_IMAGES_DIR: caches.imagesDir,
    MUSTER_AGENT_POOL_GB: String(poolGb),
    MUSTER_NVIDIA_SMI: 'no-nvidia-smi-here',
    ...env,
  };
}

/** Long on a machine with a slow disk: the file system behind the device is written out first. */
const LOOPS_GONE_MS = 90_000;

/** What is left, once no more loop device is on its way out; NOTHING itself when that is nothing. */
async function settledRemains(look: () => Promise<Remains>): Promise<Remains> {
  let left = await look();
  if (left.loops.length > 0) {
    const since = Date.now();
    await until('the loop devices to be given back', async () => (left = await look()).loops.length === 0, LOOPS_GONE_MS).catch(() => undefined);
    figure('loop devices given back after', Date.now() - since);
  }
  return JSON.stringify(left) === JSON.stringify(NOTHING) ? NOTHING : left;
}

function tail(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-12).map((line) => line.slice(0, 500)).join('\n');
  } catch {
    return '(none)';
  }
}

/** Takes down what test runs left that were killed. */
async function reapOrphans(): Promise<void> {
  for (const name of (await readdir(tmpdir())).filter((entry) => entry.startsWith(HOME_PREFIX))) {
    const pid = Number(/^muster-e2e-(\d+)-/.exec(name)?.[1]);
    if (await identify(pid)) continue;
    const home = join(tmpdir(), name);
    const { frp, imagesDir } = await findCaches();
    const env = environment(home, { frp, imagesDir }, {});
    const supervisors = (await must('pgrep', ['-f', `${CLI} supervise`]).catch(() => '')).split('\n').map(Number).filter((one) => one > 0);
    for (const one of supervisors) if ((await readFile(`/proc/${one}/environ`, 'utf8').catch(() => '')).includes(`MUSTER_HOME=${home}\0`)) process.kill(one, 'SIGCONT');
    await reapDistantHost(pid, home, env);
    const ran = await run(process.execPath, [CLI, 'down', '--yes'], { env, withinMs: UP_MS });
    if (ran.code === 0) await rm(home, { recursive: true, force: true });
    else console.warn(`${home}, left by a killed run, could not be taken down:\n${ran.stderr}`);
  }
}
