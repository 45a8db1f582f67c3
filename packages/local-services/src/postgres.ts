import { randomBytes } from 'node:crypto';
import { readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { initialiseCluster } from './postgres-cluster.js';
import { preparePostgresBinaries } from './postgres-binaries.js';
import { canConnect, postgresUrl } from './postgres-url.js';
import { freePort } from './ports.js';
import { processesIn, stopProcess, type ProcessIdentity, type StopStep } from './process-identity.js';
import { adoptService, spawnService, untilReady, type ServiceExit, type ServiceProcess } from './service-process.js';
import { makeTraversable, SERVICE_USERS, serviceUser, type UnixUser } from './unix-user.js';

export interface PostgresOptions {
  /** State of this server: `data/`, `password` (0600) and `postgres.log`. Every parent must be traversable. */
  dir: string;
  /** Where the server's programs are copied to, once per version; shared between servers. */
  cacheDir: string;
  /** Loopback TCP port; a free one when absent. A server that is adopted keeps its port. */
  port?: number;
  /** False gives up fsync for speed: tests only. */
  durable?: boolean;
  /** Settings as of postgresql.conf, e.g. `{ max_connections: '200' }`. */
  settings?: Readonly<Record<string, string>>;
  /** Milliseconds to become ready, crash recovery included; 60,000 unless told. */
  readyMs?: number;
}

export interface RunningPostgres {
  pid: number;
  port: number;
  /** True when the server was already running in this folder. */
  adopted: boolean;
  /** Connection URL with the superuser's password; database `postgres` unless told. Never log it. */
  url(database?: string): string;
  exited: Promise<ServiceExit>;
  /** Clean shutdown: open transactions are rolled back, data is checkpointed. */
  stop(): Promise<void>;
}

/** SIGINT is Postgres's fast shutdown, SIGQUIT its immediate one (recovery at the next start). */
const STOP_STEPS: readonly StopStep[] = [
  { signal: 'SIGINT', graceMs: 20_000 },
  { signal: 'SIGQUIT', graceMs: 5_000 },
  { signal: 'SIGKILL', graceMs: 5_000 },
];

interface Place {
  data: string;
  logFile: string;
  password: string;
  user: UnixUser | undefined;
}

/** Starts the real Postgres of this folder (made when empty), or adopts the one that runs there. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const user = await serviceUser(SERVICE_USERS.postgres);
  await makeTraversable(options.dir);
  const dir = await realpath(options.dir);
  const place: Place = { data: join(dir, 'data'), logFile: join(dir, 'postgres.log'), password: await keptPassword(dir), user };
  const found = await findPostmaster(place.data);
  const server = found ? adopt(found) : await start(place, options);
  const url = postgresUrl({ port: server.port, password: place.password });
  const wait = { deadlineMs: options.readyMs ?? 60_000, what: `Postgres on 127.0.0.1:${server.port}`, logFile: place.logFile, everyMs: 20 };
  await untilReady(server.process, () => canConnect(url), wait);
  return describe(server, place);
}

interface Server {
  process: ServiceProcess;
  port: number;
}

function adopt(found: Postmaster): Server {
  return { process: adoptService(found.identity), port: found.port };
}

async function start(place: Place, options: PostgresOptions): Promise<Server> {
  const binaries = await preparePostgresBinaries(options.cacheDir);
  await initialiseCluster({ ...place, initdb: binaries.initdb, sync: options.durable ?? true });
  await clearAfterCrash(place.data);
  const port = options.port ?? (await freePort());
  const settings = { ...baseSettings(options.durable ?? true), ...options.settings };
  const args = ['-D', place.data, '-p', String(port), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  return { port, process: await spawnService({ command: binaries.postgres, args, user: place.user, logFile: place.logFile }) };
}

/** Statements and their values stay out of the log: they may hold secrets. */
function baseSettings(durable: boolean): Record<string, string> {
  return {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    log_min_messages: 'warning',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
}

interface Postmaster {
  identity: ProcessIdentity;
  port: number;
}

/** postmaster.pid outlives a crash and its pid may belong to anybody since, so the process must also work in this folder. */
async function findPostmaster(data: string): Promise<Postmaster | undefined> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid <= 0 || !port) return undefined;
  const identity = (await processesIn(data)).find((process) => process.pid === pid);
  return identity && { identity, port };
}

/** After a killed postmaster: its orphaned workers must be gone, and its pid file must not name a stranger. */
async function clearAfterCrash(data: string): Promise<void> {
  const orphans = await processesIn(data);
  await Promise.all(orphans.map((orphan) => stopProcess(orphan, [{ signal: 'SIGQUIT', graceMs: 5_000 }, { signal: 'SIGKILL', graceMs: 5_000 }])));
  await rm(join(data, 'postmaster.pid'), { force: true });
}

function describe(server: Server, place: Place): RunningPostgres {
  const { identity, adopted, exited } = server.process;
  return {
    pid: identity.pid,
    port: server.port,
    adopted,
    url: (database = 'postgres') => postgresUrl({ port: server.port, password: place.password, database }),
    exited,
    stop: () => stopProcess(identity, STOP_STEPS),
  };
}

async function keptPassword(dir: string): Promise<string> {
  const file = join(dir, 'password');
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept) return kept.trim();
  if (await stat(join(dir, 'data')).then(() => true, () => false)) {
    throw new Error(`${file} is missing, so the database in ${dir} cannot be opened. Restore the file or remove the folder`);
  }
  const password = randomBytes(24).toString('base64url');
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, `${password}\n`, { mode: 0o600 });
  await rename(partial, file);
  return password;
}
