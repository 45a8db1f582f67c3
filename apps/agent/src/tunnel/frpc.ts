import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { access, mkdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { renderFrpcConfig } from './frpc-config.rules.js';
import { readIfThere, replacePrivateFile } from './private-file.js';
import { findByArgument, hasArgument, identify, isAlive, type ProcessId } from './process-facts.js';
import type { AdminAccess } from './store-api.js';
import type { TunnelServer } from './types.js';

const PREFERRED_ADMIN_PORT = 7400;
const END_GRACE_MS = 2_000;
const END_POLL_MS = 20;

/** What a later agent needs to take this frpc over. */
const Record = z.object({
  pid: z.number().int().positive(),
  start_ticks: z.number(),
  admin_port: z.number().int(),
  admin_password: z.string(),
  settings: z.string(),
});

interface Running {
  process: ProcessId;
  access: AdminAccess;
  settings: string;
}

/**
 * One frpc process. It runs in a session of its own and outlives the agent, so that a killed agent cuts nobody; the
 * record beside it lets the next agent adopt it. Not safe for concurrent calls: `tunnels.ts` makes them one at a time.
 */
export class Frpc {
  readonly tokenPath: string;
  private readonly configPath: string;
  private readonly recordPath: string;
  private readonly caPath: string;
  private readonly storePath: string;
  private running: Running | undefined;

  constructor(
    private readonly folder: string,
    private readonly binary: string,
    private readonly log: Logger,
  ) {
    this.tokenPath = join(folder, 'token');
    this.configPath = join(folder, 'frpc.toml');
    this.recordPath = join(folder, 'frpc.json');
    this.caPath = join(folder, 'ca.crt');
    this.storePath = join(folder, 'store.json');
  }

  /** Undefined while no frpc is known to run. */
  get access(): AdminAccess | undefined {
    return this.running?.access;
  }
  get pid(): number | undefined {
    return this.running?.process.pid;
  }

  /** Proxies that the next frpc brings up may lie here. */
  hasStore(): Promise<boolean> {
    return access(this.storePath).then(() => true, () => false);
  }

  async prepareFolder(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
  }

  /** Takes over the frpc of an earlier agent when it serves this server; ends it when it serves another. */
  async adopt(server: TunnelServer): Promise<boolean> {
    this.running ??= await this.readRecord();
    if (!this.running) {
      await this.endStrays();
      return false;
    }
    if (this.running.settings === settingsOf(server)) {
      this.log.info({ pid: this.running.process.pid }, 'frpc adopted');
      return true;
    }
    this.log.info({ pid: this.running.process.pid }, 'frpc serves other settings; it is replaced');
    await this.end();
    return false;
  }

  async alive(): Promise<boolean> {
    return this.running !== undefined && (await isAlive(this.running.process));
  }

  /** Starts a new frpc. Its proxies are in the store file and come up with it. */
  async start(server: TunnelServer): Promise<void> {
    const admin = { port: await freeAdminPort(), password: randomBytes(24).toString('base64url') };
    await replacePrivateFile(this.caPath, server.caPem);
    await replacePrivateFile(this.configPath, this.config(server, admin));
    const process = await identifyOrThrow(await this.spawn());
    this.running = { process, access: admin, settings: settingsOf(server) };
    await this.writeRecord(this.running);
    this.log.info({ pid: process.pid, admin_port: admin.port }, 'frpc started');
  }

  /** SIGTERM, then SIGKILL. Resolves when the process is gone. */
  async end(): Promise<void> {
    const target = this.running?.process;
    this.running = undefined;
    if (target) await endProcess(target);
    await rm(this.recordPath, { force: true });
  }

  /** An agent killed between starting frpc and writing the record leaves one that would hold the node's only session. */
  private async endStrays(): Promise<void> {
    for (const stray of await findByArgument(this.configPath)) {
      this.log.warn({ pid: stray.pid }, 'an frpc without a record is ended');
      await endProcess(stray);
    }
  }

  private config(server: TunnelServer, access: AdminAccess): string {
    return renderFrpcConfig({
      nodeId: server.nodeId,
      serverAddr: server.addr,
      serverPort: server.port,
      caPath: this.caPath,
      tokenPath: this.tokenPath,
      storePath: this.storePath,
      logPath: join(this.folder, 'frpc.log'),
      adminPort: access.port,
      adminPassword: access.password,
    });
  }

  /** Without our environment: frpc would send its traffic through an `http_proxy` it finds there. */
  private spawn(): Promise<number> {
    const output = openSync(join(this.folder, 'frpc.out'), 'w', 0o600);
    const child = spawn(this.binary, ['-c', this.configPath], {
      detached: true,
      stdio: ['ignore', output, output],
      env: {},
      cwd: this.folder,
    });
    closeSync(output);
    child.unref();
    return new Promise((resolve, reject) => {
      child.once('spawn', () => resolve(child.pid ?? 0));
      child.once('error', reject);
    });
  }

  private async readRecord(): Promise<Running | undefined> {
    const text = await readIfThere(this.recordPath);
    const record = text === undefined ? undefined : Record.safeParse(jsonOrUndefined(text)).data;
    if (!record) return undefined;
    const process = { pid: record.pid, startTicks: record.start_ticks };
    if (!(await isAlive(process)) || !(await hasArgument(record.pid, this.configPath))) return undefined;
    return { process, access: { port: record.admin_port, password: record.admin_password }, settings: record.settings };
  }

  private writeRecord({ process, access, settings }: Running): Promise<void> {
    const record: z.infer<typeof Record> = {
      pid: process.pid,
      start_ticks: process.startTicks,
      admin_port: access.port,
      admin_password: access.password,
      settings,
    };
    return replacePrivateFile(this.recordPath, JSON.stringify(record));
  }
}

/** Equal strings = the running frpc needs no restart. */
const settingsOf = (server: TunnelServer): string =>
  createHash('sha256').update(JSON.stringify([server.addr, server.port, server.caPem, server.nodeId])).digest('hex');

async function identifyOrThrow(pid: number): Promise<ProcessId> {
  const process = await identify(pid);
  if (!process) throw new Error('frpc ended as soon as it had started; frpc.out beside its configuration says why');
  return process;
}

async function endProcess(target: ProcessId): Promise<void> {
  const deadline = performance.now() + END_GRACE_MS;
  let signal: NodeJS.Signals = 'SIGTERM';
  await signalProcess(target, signal);
  while (await isAlive(target)) {
    if (performance.now() > deadline && signal === 'SIGTERM') {
      signal = 'SIGKILL';
      await signalProcess(target, signal);
    }
    await new Promise((resolve) => setTimeout(resolve, END_POLL_MS));
  }
}

async function signalProcess(target: ProcessId, signal: NodeJS.Signals): Promise<void> {
  if (!(await isAlive(target))) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    // Gone between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** 7400 when it is free, else any port. Another process may take it before frpc does: frpc then ends and is started again. */
async function freeAdminPort(): Promise<number> {
  return (await tryPort(PREFERRED_ADMIN_PORT)) ?? (await tryPort(0)) ?? 0;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const { port: bound } = server.address() as AddressInfo;
      server.close(() => resolve(bound));
    });
  });
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
