import { chown, mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { freePort } from './ports.js';
import { processesIn, stopProcess, type ProcessIdentity, type StopStep } from './process-identity.js';
import { adoptService, spawnService, untilReady, type ServiceExit, type ServiceProcess } from './service-process.js';
import { makeTraversable, SERVICE_USERS, serviceUser } from './unix-user.js';

export interface RedisOptions {
  /** State of this server: `data/` (its working folder), `server.json` (0600), `redis.log`. */
  dir: string;
  /** Loopback TCP port; a free one when absent. A server that is adopted keeps its port. */
  port?: number;
  /** Made up at random unless told. */
  password?: string;
  /** The program; `redis-server` of Debian's package unless told. */
  command?: string;
}

export interface RunningRedis {
  pid: number;
  port: number;
  /** True when the server was already running in this folder. */
  adopted: boolean;
  /** `redis://` URL with its password. Never log it. */
  url: string;
  exited: Promise<ServiceExit>;
  stop(): Promise<void>;
}

const STOP_STEPS: readonly StopStep[] = [
  { signal: 'SIGTERM', graceMs: 10_000 },
  { signal: 'SIGKILL', graceMs: 5_000 },
];
const READY_MS = 15_000;

/** What the next process needs to adopt the server. */
const serverRecord = z.object({ pid: z.number(), startTicks: z.number(), port: z.number(), password: z.string() });
type ServerRecord = z.infer<typeof serverRecord>;

/** Starts a real redis-server that keeps nothing on disk, or adopts the one that runs in this folder. */
export async function startRedis(options: RedisOptions): Promise<RunningRedis> {
  await makeTraversable(options.dir);
  const dir = await realpath(options.dir);
  const found = await findRunning(dir);
  const record = found ?? (await chooseRecord(options));
  const process = found ? adoptService(found) : await start(dir, record, options);
  const wait = { deadlineMs: READY_MS, what: `Redis on 127.0.0.1:${record.port}`, logFile: join(dir, 'redis.log'), everyMs: 10 };
  await untilReady(process, () => answers(record.port), wait);
  return {
    pid: process.identity.pid,
    port: record.port,
    adopted: process.adopted,
    url: `redis://:${record.password}@127.0.0.1:${record.port}`,
    exited: process.exited,
    stop: () => stopProcess(process.identity, STOP_STEPS),
  };
}

async function chooseRecord(options: RedisOptions): Promise<Pick<ServerRecord, 'port' | 'password'>> {
  return { port: options.port ?? (await freePort()), password: options.password ?? randomBytes(24).toString('base64url') };
}

async function start(dir: string, record: Pick<ServerRecord, 'port' | 'password'>, options: RedisOptions): Promise<ServiceProcess> {
  const user = await serviceUser(SERVICE_USERS.redis);
  const data = join(dir, 'data');
  await mkdir(data, { recursive: true, mode: 0o700 });
  if (user) await chown(data, user.uid, user.gid);
  await stopLeftovers(data);
  const service = await spawnService({
    command: options.command ?? 'redis-server',
    args: ['-'],
    input: redisConfig(data, record),
    user,
    logFile: join(dir, 'redis.log'),
  }).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' ? new Error('redis-server is not installed; on Debian: apt-get install redis-server', { cause }) : cause;
  });
  await writeFile(join(dir, 'server.json'), JSON.stringify({ ...service.identity, ...record }), { mode: 0o600 });
  return service;
}

function redisConfig(data: string, record: Pick<ServerRecord, 'port' | 'password'>): string {
  const lines = ['bind 127.0.0.1', `port ${record.port}`, `requirepass ${record.password}`, `dir "${data}"`, 'save ""', 'appendonly no', 'daemonize no'];
  return `${lines.join('\n')}\n`;
}

async function findRunning(dir: string): Promise<ServerRecord | undefined> {
  const text = await readFile(join(dir, 'server.json'), 'utf8').catch(() => '');
  const record = serverRecord.safeParse(text ? JSON.parse(text) : undefined);
  if (!record.success) return undefined;
  const here = await processesIn(join(dir, 'data'));
  return here.some((identity) => same(identity, record.data)) ? record.data : undefined;
}

/** A server without a readable record cannot be spoken to: nobody knows its password. */
async function stopLeftovers(data: string): Promise<void> {
  await Promise.all((await processesIn(data)).map((identity) => stopProcess(identity, STOP_STEPS)));
}

function same(one: ProcessIdentity, other: ProcessIdentity): boolean {
  return one.pid === other.pid && one.startTicks === other.startTicks;
}

/** Any complete line is an answer: without the password Redis says `-NOAUTH …`. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write('PING\r\n'));
    socket.once('data', () => { socket.destroy(); resolve(true); });
    socket.once('error', reject);
    socket.once('close', () => resolve(false));
    socket.setTimeout(2_000, () => socket.destroy());
  });
}
