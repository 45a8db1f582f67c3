import { join } from 'node:path';
import { connect } from 'node:net';
import { isPortFree, startPostgres, startRedis, stopProcess, type StopStep } from '@muster/local-services';
import { findChildren, startChild, untilAnswers, type ChildSpec } from './child.js';
import { codeStamp, fingerprintOf } from './code-stamp.js';
import { type Layout, type OwnProgram, programOf } from './layout.js';
import type { KeptPart, RunningPart } from './keeper.js';
import type { MarketSecrets } from './secrets.js';
import type { Ports } from './settings.js';

const READY_MS = 60_000;
const GENTLE: readonly StopStep[] = [{ signal: 'SIGTERM', graceMs: 10_000 }, { signal: 'SIGKILL', graceMs: 5_000 }];
/** The backend gives requests in hand 25 s. */
const PATIENT: readonly StopStep[] = [{ signal: 'SIGTERM', graceMs: 30_000 }, { signal: 'SIGKILL', graceMs: 5_000 }];
/** On SIGTERM the agent ends every instance and its engine; killed, it leaves them to the next agent. */
export const END_INSTANCES: readonly StopStep[] = [{ signal: 'SIGTERM', graceMs: 90_000 }, { signal: 'SIGKILL', graceMs: 5_000 }];
const LEAVE_INSTANCES: readonly StopStep[] = [{ signal: 'SIGKILL', graceMs: 5_000 }];

/** What every part needs to know of its market. */
export interface MarketContext {
  layout: Layout;
  ports: Ports;
  secrets: MarketSecrets;
  /** PATH and whatever of our own environment concerns the parts. */
  env: Readonly<Record<string, string>>;
}

/** A server whose connection URL the others need. */
export type ServerPart = KeptPart & { url(): string };

export function postgresPart({ layout, ports }: MarketContext): ServerPart {
  let url = '';
  return {
    name: 'postgres',
    url: () => url,
    start: async () => {
      const server = await startPostgres({ dir: layout.postgres, cacheDir: join(layout.cache, 'postgres'), ...(await wanted(ports.postgres, url)), settings: { max_connections: '200' } });
      ports.postgres = server.port;
      url = server.url('muster');
      return { pid: server.pid, adopted: server.adopted, exited: server.exited, detail: `127.0.0.1:${server.port}`, stop: () => server.stop() };
    },
  };
}

export function redisPart({ layout, ports, secrets }: MarketContext): ServerPart {
  let url = '';
  return {
    name: 'redis',
    url: () => url,
    start: async () => {
      const server = await startRedis({ dir: layout.redis, ...(await wanted(ports.redis, url)), password: secrets.redisPassword });
      ports.redis = server.port;
      url = server.url;
      return { pid: server.pid, adopted: server.adopted, exited: server.exited, detail: `127.0.0.1:${server.port}`, stop: () => server.stop() };
    },
  };
}

/** A port that somebody else has taken since is given up, but never once others were told the URL. */
async function wanted(port: number, toldUrl: string): Promise<{ port?: number }> {
  return toldUrl !== '' || (await isPortFree(port)) ? { port } : {};
}

export function gatePart(market: MarketContext, tunnelServerId: () => string): KeptPart {
  const { ports, layout, secrets } = market;
  return childPart(market, {
    name: 'gate',
    app: 'tunnel-gate',
    detail: `127.0.0.1:${ports.gate}`,
    env: () => ({
      MUSTER_GATE_PORT: String(ports.gate),
      MUSTER_GATE_BACKEND_URL: apiUrl(ports),
      MUSTER_GATE_SECRET: secrets.gateSecret,
      MUSTER_GATE_STATE_DIR: layout.gate,
      MUSTER_TUNNEL_SERVER_ID: tunnelServerId(),
    }),
    answers: () => answersOk(`http://127.0.0.1:${ports.gate}/.well-known/openid-configuration`),
  });
}

export function frpsPart(market: MarketContext, frpsPath: string, configPath: string): KeptPart {
  const { ports } = market;
  return childPart(market, {
    name: 'frps',
    command: frpsPath,
    args: ['-c', configPath],
    env: () => ({}),
    detail: `0.70.1 · 127.0.0.1:${ports.frps} · tunnels ${ports.tunnel_first}–${ports.tunnel_last}`,
    answers: () => accepts(ports.frps),
  });
}

export function backendPart(market: MarketContext, env: () => Record<string, string>): KeptPart {
  const { ports } = market;
  return childPart(market, { name: 'backend', app: 'backend', env, detail: apiUrl(ports), answers: () => answersOk(`${apiUrl(ports)}/ready`), stop: PATIENT });
}

/** Pages, and the way from them to the API. It holds no secret: whoever reads them has signed in at the API. */
export function webPart(market: MarketContext): KeptPart {
  const { ports } = market;
  const env = { NODE_ENV: 'production', HOSTNAME: WEB_HOST, PORT: String(ports.web), MUSTER_API_URL: apiUrl(ports), MUSTER_WEB_URL: webUrl(ports), NEXT_TELEMETRY_DISABLED: '1' };
  return childPart(market, { name: 'web', app: 'frontend', env: () => env, detail: webUrl(ports), answers: () => answersOk(`${webUrl(ports)}/healthz`) });
}

/** Another name than the tunnels' (127.0.0.1): cookies know no ports, and what tenants serve must never get them. */
const WEB_HOST = 'localhost';
export const webUrl = (ports: Ports): string => `http://${WEB_HOST}:${ports.web}`;

/** Its readiness is that of its process: that the node is online is asked of the market. */
export function agentPart(market: MarketContext, name: string, env: () => Record<string, string>): KeptPart {
  return childPart(market, { name, app: 'agent', args: ['run'], env, detail: 'this machine', answers: () => Promise.resolve(true), stop: END_INSTANCES, replace: LEAVE_INSTANCES });
}

/** Environment of the backend, its `bootstrap` included. */
export function backendEnv(market: MarketContext, urls: { database: string; redis: string }, caFile: string): Record<string, string> {
  const { layout, ports, secrets } = market;
  return {
    DATABASE_URL: urls.database,
    REDIS_URL: urls.redis,
    MUSTER_PORT: String(ports.api),
    MUSTER_WEB_ORIGINS: webUrl(ports),
    MUSTER_MASTER_KEY: secrets.masterKey,
    MUSTER_GATE_SECRET: secrets.gateSecret,
    MUSTER_TUNNEL_FRPS_PORT: String(ports.frps),
    MUSTER_TUNNEL_FIRST_PORT: String(ports.tunnel_first),
    MUSTER_TUNNEL_LAST_PORT: String(ports.tunnel_last),
    MUSTER_TUNNEL_ISSUER: `http://127.0.0.1:${ports.gate}`,
    MUSTER_TUNNEL_CA_FILE: caFile,
    MUSTER_STORAGE_DIR: layout.storage,
    MUSTER_TELEMETRY_DIR: layout.telemetry,
    // A port must rest longer than a tunnel token lives where hosts are strangers; here they are this machine.
    MUSTER_PORT_REST_S: market.env['MUSTER_PORT_REST_S'] ?? '60',
  };
}

export const apiUrl = (ports: Ports): string => `http://127.0.0.1:${ports.api}`;

interface ChildPart {
  name: string;
  /** One of our own programs, or another one by path. */
  app?: OwnProgram;
  command?: string;
  args?: readonly string[];
  env: () => Record<string, string>;
  detail: string;
  answers: () => Promise<boolean>;
  stop?: readonly StopStep[];
  /** How an older version is ended when this one takes its place. */
  replace?: readonly StopStep[];
}

function childPart(market: MarketContext, part: ChildPart): KeptPart {
  const steps = part.stop ?? GENTLE;
  let stamp: Promise<string> | undefined; // taken once: a part that died is wanted back at once
  return {
    name: part.name,
    start: async (): Promise<RunningPart> => {
      stamp ??= part.app ? codeStamp(part.app) : Promise.resolve('');
      const spec = childSpec(market, part, await stamp);
      const child = await startChild(spec, part.replace ?? steps);
      await untilAnswers(child, spec, part.answers, READY_MS);
      return { pid: child.identity.pid, adopted: child.adopted, exited: child.exited, detail: part.detail, stop: (given) => stopProcess(child.identity, given ?? steps) };
    },
  };
}

function childSpec(market: MarketContext, part: ChildPart, stamp: string): ChildSpec {
  const { home, log } = market.layout;
  const command = part.command ?? process.execPath;
  const args = [...(part.app ? [programOf(part.app)] : []), ...(part.args ?? [])];
  const env = { ...market.env, ...part.env() };
  return { name: part.name, home, command, args, env, fingerprint: fingerprintOf(command, args, env, stamp), logFile: join(log, `${part.name}.log`) };
}

/** Ends what an earlier supervisor left running: everything, or one part. */
export async function stopLeftovers(home: string, only?: string, steps: readonly StopStep[] = GENTLE): Promise<void> {
  const left = (await findChildren(home)).filter((child) => only === undefined || child.name === only);
  await Promise.all(left.map((child) => stopProcess(child.identity, steps)));
}

export async function answersOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(3_000) });
  await response.body?.cancel();
  return response.ok;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
