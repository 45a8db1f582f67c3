import { z } from 'zod';
import { DEFAULT_PORTS, DistinctBy, PORT_REST_S } from '@muster/shared-types';

export const ROLES = ['api', 'gateway', 'scheduler', 'settler'] as const;
export type ServerRole = (typeof ROLES)[number];

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

const port = z.string().regex(/^\d{1,5}$/, 'must be a port number').transform(Number).pipe(z.number().int().min(0).max(65_535));
const wholeNumber = (min: number, max: number) =>
  z.string().regex(/^\d{1,9}$/, 'must be a whole number').transform(Number).pipe(z.number().int().min(min).max(max));
const flag = z.enum(['true', 'false'], 'must be true or false').transform((word) => word === 'true');

const masterKey = z
  .string()
  .refine((text) => decodeKey(text) !== undefined, 'must be 32 bytes, as 64 hex digits or as base64')
  .transform((text) => decodeKey(text) ?? new Uint8Array());

const roles = z
  .string()
  .transform((text) => text.split(',').map((role) => role.trim()).filter((role) => role !== ''))
  .pipe(z.array(z.enum(ROLES, `must be a comma-separated list of ${ROLES.join(', ')}`)).min(1));

const origins = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()).filter((origin) => origin !== ''))
  .pipe(z.array(z.url({ protocol: /^https?$/, error: 'must be a comma-separated list of origins' }).transform((url) => new URL(url).origin)).min(1));

const Environment = z.object({
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a Postgres URL' }),
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'must be a Redis URL' }),
  MUSTER_DATABASE_POOL: wholeNumber(2, 200).default(16),
  MUSTER_REDIS_PREFIX: z.string().min(1).default('muster:'),
  MUSTER_HOST: z.union([z.ipv4(), z.ipv6(), z.literal('localhost')], 'must be an address of this machine').default('127.0.0.1'),
  MUSTER_CLOSED_NETWORK: flag.default(false),
  MUSTER_PORT: port.default(DEFAULT_PORTS.api),
  MUSTER_PUBLIC_URL: z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' }).transform((url) => url.replace(/\/+$/, '')).optional(),
  MUSTER_WEB_ORIGINS: origins.default([`http://localhost:${DEFAULT_PORTS.web}`, `http://127.0.0.1:${DEFAULT_PORTS.web}`]),
  MUSTER_MASTER_KEY: masterKey,
  MUSTER_GATE_SECRET: z.string().min(32, 'must have at least 32 characters'),
  MUSTER_ROLES: roles.default([...ROLES]),
  METRICS_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  MUSTER_PORT_REST_S: wholeNumber(0, 30 * 86_400).default(PORT_REST_S),
  MUSTER_ALLOW_OWN_NODE: flag.default(true),
  MUSTER_DISTINCT_BY: z.enum(DistinctBy.options, 'must be owner or node').default('owner'),
  MUSTER_RATE_LIMIT_PER_MIN: wholeNumber(1, 10_000_000).default(1200),
  MUSTER_SIGN_IN_LIMIT_PER_MIN: wholeNumber(1, 1_000_000).default(20),
  MUSTER_TUNNEL_NAME: z.string().min(1).max(100).default('local'),
  MUSTER_TUNNEL_SERVER_ID: z.uuid('must be a UUID').optional(),
  MUSTER_TUNNEL_PUBLIC_HOST: z.string().min(1).default('127.0.0.1'),
  MUSTER_TUNNEL_PROBE_HOST: z.string().min(1).default('127.0.0.1'),
  MUSTER_TUNNEL_FRPS_PORT: port.default(DEFAULT_PORTS.frps),
  MUSTER_TUNNEL_FIRST_PORT: port.default(DEFAULT_PORTS.tunnelFirst),
  MUSTER_TUNNEL_LAST_PORT: port.default(DEFAULT_PORTS.tunnelLast),
  MUSTER_TUNNEL_ISSUER: z.url().default(`http://127.0.0.1:${DEFAULT_PORTS.gate}`),
  MUSTER_TUNNEL_CA_FILE: z.string().min(1).optional(),
  MUSTER_STORAGE_DIR: z.string().startsWith('/', 'must be an absolute path').default('/var/lib/muster/storage'),
  S3_ENDPOINT: z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' }).optional(),
  S3_BUCKET: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket').optional(),
  S3_REGION: z.string().min(1).default('us-east-1'),
  S3_ACCESS_KEY_ID: z.string().min(1).optional(),
  S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  RESULTS_KEPT_DAYS: wholeNumber(1, 3650).default(30),
  MUSTER_TELEMETRY_DIR: z.string().startsWith('/', 'must be an absolute path').default('/var/lib/muster/telemetry'),
  MUSTER_TELEMETRY_MAX_MB: wholeNumber(16, 10_000_000).default(2_048),
  INFLUX_URL: z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' }).optional(),
  INFLUX_TOKEN: z.string().min(1).optional(),
  INFLUX_ORG: z.string().min(1).default('muster'),
  INFLUX_BUCKET: z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,50}$/, 'must be a word').default('muster'),
});
type EnvironmentName = keyof z.output<typeof Environment>;

/** What to write instead, shown beside each complaint. */
const EXAMPLES: Record<EnvironmentName, string> = {
  DATABASE_URL: 'postgresql://muster:secret@127.0.0.1:5432/muster',
  REDIS_URL: 'redis://127.0.0.1:6379/0',
  MUSTER_DATABASE_POOL: '16',
  MUSTER_REDIS_PREFIX: 'muster:',
  MUSTER_HOST: '127.0.0.1',
  MUSTER_CLOSED_NETWORK: 'true',
  MUSTER_PORT: '8080',
  MUSTER_PUBLIC_URL: 'http://127.0.0.1:8080',
  MUSTER_WEB_ORIGINS: 'http://localhost:3000',
  MUSTER_MASTER_KEY: 'the output of: openssl rand -hex 32',
  MUSTER_GATE_SECRET: 'the output of: openssl rand -hex 32',
  MUSTER_ROLES: 'api,gateway,scheduler,settler',
  METRICS_TOKEN: 'the output of: openssl rand -hex 16',
  LOG_LEVEL: 'info',
  MUSTER_PORT_REST_S: '86400',
  MUSTER_ALLOW_OWN_NODE: 'true',
  MUSTER_DISTINCT_BY: 'owner',
  MUSTER_RATE_LIMIT_PER_MIN: '1200',
  MUSTER_SIGN_IN_LIMIT_PER_MIN: '20',
  MUSTER_TUNNEL_NAME: 'local',
  MUSTER_TUNNEL_SERVER_ID: '6d757374-6572-4000-8000-000000000001',
  MUSTER_TUNNEL_PUBLIC_HOST: '127.0.0.1',
  MUSTER_TUNNEL_PROBE_HOST: '127.0.0.1',
  MUSTER_TUNNEL_FRPS_PORT: '7000',
  MUSTER_TUNNEL_FIRST_PORT: '20000',
  MUSTER_TUNNEL_LAST_PORT: '29999',
  MUSTER_TUNNEL_ISSUER: 'http://127.0.0.1:7080',
  MUSTER_TUNNEL_CA_FILE: '/etc/muster/tunnel/ca.pem',
  MUSTER_STORAGE_DIR: '/var/lib/muster/storage',
  S3_ENDPOINT: 'https://s3.example.com',
  S3_BUCKET: 'muster',
  S3_REGION: 'us-east-1',
  S3_ACCESS_KEY_ID: 'the id of an access key of that bucket',
  S3_SECRET_ACCESS_KEY: 'the secret of that access key',
  RESULTS_KEPT_DAYS: '30',
  MUSTER_TELEMETRY_DIR: '/var/lib/muster/telemetry',
  MUSTER_TELEMETRY_MAX_MB: '2048',
  INFLUX_URL: 'http://influxdb:8086',
  INFLUX_TOKEN: 'an all-access token of the organisation',
  INFLUX_ORG: 'muster',
  INFLUX_BUCKET: 'muster',
};

/** The tunnel server that this market starts with; more are rows in `TunnelServer`. */
export interface TunnelConfig {
  name: string;
  /** Id of its row when `bootstrap` makes it; any, when the gate is told it afterwards. */
  id: string | undefined;
  publicHost: string;
  probeHost: string;
  frpsPort: number;
  firstPort: number;
  lastPort: number;
  /** URL of the gate beside frps: `iss` of tunnel tokens. */
  issuer: string;
  /** PEM file of the CA that frps's certificate hangs on; needed by `bootstrap`. */
  caFile: string | undefined;
}

/** Where inputs and results lie: a folder of this machine, or a bucket when S3_ENDPOINT is set. */
export type StorageConfig =
  | { kind: 'local'; dir: string }
  | { kind: 's3'; endpoint: string; region: string; bucket: string; accessKeyId: string; secretAccessKey: string };

/**
 * Where samples are kept: a file of this machine, or InfluxDB when INFLUX_URL is set. `dir` holds the file, or what
 * waits while InfluxDB is away; `maxBytes` bounds either.
 */
export type TelemetryConfig = { dir: string; maxBytes: number } & ({ kind: 'embedded' } | { kind: 'influx'; url: string; token: string; org: string; bucket: string });

/** Everything the process takes from outside, read once. Also the injection token. */
export class Config {
  readonly databaseUrl: string;
  readonly databasePool: number;
  readonly redisUrl: string;
  readonly redisPrefix: string;
  readonly host: string;
  readonly port: number;
  /** Without a trailing slash; `iss` and `azp` of our own sessions. */
  readonly publicUrl: string;
  /** Pages of these origins may open the live socket. */
  readonly webOrigins: readonly string[];
  readonly masterKey: Uint8Array;
  readonly gateSecret: string;
  readonly roles: readonly ServerRole[];
  readonly metricsToken: string | undefined;
  readonly logLevel: string;
  readonly portRestS: number;
  readonly allowOwnNode: boolean;
  /** What the copies of one task of a job must not share, at least; a job may ask for the stricter. */
  readonly distinctBy: DistinctBy;
  readonly rateLimitPerMin: number;
  readonly signInLimitPerMin: number;
  readonly tunnel: TunnelConfig;
  readonly storage: StorageConfig;
  readonly resultsKeptDays: number;
  readonly telemetry: TelemetryConfig;

  constructor(env: z.output<typeof Environment>) {
    this.databaseUrl = env.DATABASE_URL;
    this.databasePool = env.MUSTER_DATABASE_POOL;
    this.redisUrl = env.REDIS_URL;
    this.redisPrefix = env.MUSTER_REDIS_PREFIX;
    this.host = env.MUSTER_HOST;
    this.port = env.MUSTER_PORT;
    this.publicUrl = env.MUSTER_PUBLIC_URL ?? `http://${env.MUSTER_HOST === '::1' ? '[::1]' : env.MUSTER_HOST}:${env.MUSTER_PORT}`;
    this.webOrigins = env.MUSTER_WEB_ORIGINS;
    this.masterKey = env.MUSTER_MASTER_KEY;
    this.gateSecret = env.MUSTER_GATE_SECRET;
    this.roles = env.MUSTER_ROLES;
    this.metricsToken = env.METRICS_TOKEN;
    this.logLevel = env.LOG_LEVEL;
    this.portRestS = env.MUSTER_PORT_REST_S;
    this.allowOwnNode = env.MUSTER_ALLOW_OWN_NODE;
    this.distinctBy = env.MUSTER_DISTINCT_BY;
    this.rateLimitPerMin = env.MUSTER_RATE_LIMIT_PER_MIN;
    this.signInLimitPerMin = env.MUSTER_SIGN_IN_LIMIT_PER_MIN;
    this.tunnel = tunnelConfig(env);
    this.storage = storageConfig(env);
    this.resultsKeptDays = env.RESULTS_KEPT_DAYS;
    this.telemetry = telemetryConfig(env);
  }

  has(role: ServerRole): boolean {
    return this.roles.includes(role);
  }
}

function tunnelConfig(env: z.output<typeof Environment>): TunnelConfig {
  return {
    name: env.MUSTER_TUNNEL_NAME,
    id: env.MUSTER_TUNNEL_SERVER_ID,
    publicHost: env.MUSTER_TUNNEL_PUBLIC_HOST,
    probeHost: env.MUSTER_TUNNEL_PROBE_HOST,
    frpsPort: env.MUSTER_TUNNEL_FRPS_PORT,
    firstPort: env.MUSTER_TUNNEL_FIRST_PORT,
    lastPort: env.MUSTER_TUNNEL_LAST_PORT,
    issuer: env.MUSTER_TUNNEL_ISSUER,
    caFile: env.MUSTER_TUNNEL_CA_FILE,
  };
}

function storageConfig(env: z.output<typeof Environment>): StorageConfig {
  const { S3_ENDPOINT: endpoint, S3_BUCKET: bucket, S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (endpoint === undefined) return { kind: 'local', dir: env.MUSTER_STORAGE_DIR };
  if (bucket === undefined || accessKeyId === undefined || secretAccessKey === undefined) {
    throw new ConfigError('S3_ENDPOINT: needs S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY too');
  }
  return { kind: 's3', endpoint, region: env.S3_REGION, bucket, accessKeyId, secretAccessKey };
}

function telemetryConfig(env: z.output<typeof Environment>): TelemetryConfig {
  const { INFLUX_URL: url, INFLUX_TOKEN: token, INFLUX_ORG: org, INFLUX_BUCKET: bucket } = env;
  const place = { dir: env.MUSTER_TELEMETRY_DIR, maxBytes: env.MUSTER_TELEMETRY_MAX_MB * 1_000_000 };
  if (url === undefined) return { kind: 'embedded', ...place };
  if (token === undefined) throw new ConfigError('INFLUX_URL: needs INFLUX_TOKEN too');
  return { kind: 'influx', ...place, url, token, org, bucket };
}

/** The environment is not usable; the message says per variable what is wrong and what would be right. */
export class ConfigError extends Error {}

/** Parses the environment. An empty variable counts as absent. Throws a `ConfigError`. */
export function loadConfig(env: Record<string, string | undefined> = process.env): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = Environment.safeParse(given);
  if (!parsed.success) throw new ConfigError(complaints(parsed.error, given));
  if (!parsed.data.MUSTER_CLOSED_NETWORK && !LOOPBACK.includes(parsed.data.MUSTER_HOST)) {
    throw new ConfigError('MUSTER_HOST: must be a loopback address: the API serves no TLS, so other machines must not reach it. Set MUSTER_CLOSED_NETWORK=true where they cannot');
  }
  if (parsed.data.MUSTER_TUNNEL_FIRST_PORT > parsed.data.MUSTER_TUNNEL_LAST_PORT) {
    throw new ConfigError('MUSTER_TUNNEL_LAST_PORT: must not be below MUSTER_TUNNEL_FIRST_PORT (example: 29999)');
  }
  return new Config(parsed.data);
}

function complaints(error: z.ZodError, given: Record<string, string | undefined>): string {
  const lines = error.issues.map((issue) => {
    const name = String(issue.path[0]) as EnvironmentName;
    const what = given[name] === undefined ? 'is missing' : issue.message;
    return `  ${name}: ${what} (example: ${EXAMPLES[name]})`;
  });
  return ['The environment is not complete:', ...new Set(lines)].join('\n');
}

function decodeKey(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? 'hex' : 'base64');
  return bytes.length === 32 ? new Uint8Array(bytes) : undefined;
}
