import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { OfferShare } from './inventory/offer-share.rules.js';

const flag = z.enum(['true', 'false'], { error: 'must be true or false' }).transform((value) => value === 'true');
const path = z.string().startsWith('/', 'must be an absolute path');

/** Every variable of the agent, once. Messages name the variable, what is wrong and an example. */
const Environment = z.object({
  MUSTER_URL: z.url({ error: 'must be the address of the market, e.g. https://market.example' }),
  MUSTER_HOST_API_KEY: z.string().startsWith('msh_', 'must be a host API key, e.g. msh_… from `muster keys create --host`').optional(),
  MUSTER_HOST_API_KEY_FILE: path.optional(),
  MUSTER_HOME: path.default('/var/lib/muster'),
  MUSTER_AGENT_STATE: path.optional(),
  MUSTER_AGENT_NAME: z.string().min(1).max(100).optional(),
  MUSTER_AGENT_GEOLOCATION: z.string().regex(/^[A-Z]{2}$/, 'must be an ISO-3166 country, e.g. DE').optional(),
  MUSTER_AGENT_REGION: z.string().max(100).optional(),
  MUSTER_AGENT_BRIDGE: z.string().regex(/^[a-z][a-z0-9]{1,14}$/, 'must be a short interface name, e.g. mst0').default('mst0'),
  MUSTER_AGENT_SUBNET: z.cidrv4({ error: 'must be an IPv4 network, e.g. 10.213.0.0/16' }).default('10.213.0.0/16'),
  MUSTER_AGENT_POOL_GB: z.coerce.number().int().min(5, 'must be at least 5 (GB)').optional(),
  /** What this agent offers of the machine at most; more than one agent shares a machine so. */
  MUSTER_AGENT_CPU: z.coerce.number().int().min(1, 'must be a whole number of vCPUs, e.g. 2').optional(),
  MUSTER_AGENT_RAM_MB: z.coerce.number().int().min(256, 'must be at least 256 (MiB)').optional(),
  MUSTER_AGENT_MAX_IMAGE_GB: z.coerce.number().positive().default(50),
  MUSTER_AGENT_UNSAFE_GPU_RUNTIME: z.enum(['fail', 'warn']).default('fail'),
  MUSTER_AGENT_DOCKERD: z.string().min(1).optional(),
  /** Overrides the agent's own search path for dockerd and its tools. */
  MUSTER_AGENT_PATH: z.string().min(1).optional(),
  MUSTER_NVIDIA_SMI: z.string().min(1).default('nvidia-smi'),
  MUSTER_DOCKER_HOST: z.string().startsWith('unix://', 'must be a unix socket, e.g. unix:///var/run/docker.sock').optional(),
  MUSTER_IMAGES_DIR: path.optional(),
  MUSTER_AGENT_STOP_ENGINE: flag.default(false),
  /** Words that a job may require, e.g. `model:llama-3-8b,licence:matlab`. */
  MUSTER_AGENT_CAPABILITIES: z.string().regex(/^[a-z0-9][a-z0-9:._/@+-]{0,199}(,[a-z0-9][a-z0-9:._/@+-]{0,199})*$/i, 'must be words with commas between them, e.g. model:llama-3-8b').optional(),
  /** Origins that inputs and results of jobs may come from and go to although they are not on the internet, e.g. the market's S3. */
  MUSTER_AGENT_TRUSTED_ORIGINS: z.string().regex(/^https?:\/\/[^\s,/]+(,https?:\/\/[^\s,/]+)*$/, 'must be origins with commas between them, e.g. https://s3.internal:9000').optional(),
  /** Whether enrolment puts this machine on the market at once. */
  MUSTER_AGENT_LIST: flag.default(true),
  FRPC_PATH: path,
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  HTTP_PROXY: z.string().optional(),
  HTTPS_PROXY: z.string().optional(),
  NO_PROXY: z.string().optional(),
});

export interface AgentConfig {
  backendUrl: string;
  hostApiKey: string;
  musterHome: string;
  stateDir: string;
  name: string | undefined;
  geolocation: string | undefined;
  region: string | undefined;
  bridge: string;
  subnet: string;
  poolGb: number | undefined;
  share: OfferShare;
  maxImageBytes: number;
  unsafeGpuRuntime: 'fail' | 'warn';
  dockerd: string | undefined;
  path: string | undefined;
  nvidiaSmi: string;
  externalDocker: string | undefined;
  imagesDir: string;
  /** SIGTERM ends engine and instances as well (a machine that runs the whole market); else they outlive the agent. */
  stopEngine: boolean;
  capabilities: string[];
  trustedOrigins: string[];
  list: boolean;
  frpcPath: string;
  logLevel: string;
  proxyEnv: Record<string, string>;
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the environment once. Throws ConfigError with one line per wrong variable. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): AgentConfig {
  const parsed = Environment.safeParse(withoutEmpty(env));
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'));
  const vars = parsed.data;
  const stateDir = vars.MUSTER_AGENT_STATE ?? join(vars.MUSTER_HOME, 'agent');
  return {
    backendUrl: vars.MUSTER_URL,
    hostApiKey: vars.MUSTER_HOST_API_KEY ?? keyFromFile(vars.MUSTER_HOST_API_KEY_FILE),
    musterHome: vars.MUSTER_HOME,
    stateDir,
    name: vars.MUSTER_AGENT_NAME,
    geolocation: vars.MUSTER_AGENT_GEOLOCATION,
    region: vars.MUSTER_AGENT_REGION,
    bridge: vars.MUSTER_AGENT_BRIDGE,
    subnet: vars.MUSTER_AGENT_SUBNET,
    poolGb: vars.MUSTER_AGENT_POOL_GB,
    share: { cpus: vars.MUSTER_AGENT_CPU ?? null, ramMb: vars.MUSTER_AGENT_RAM_MB ?? null },
    maxImageBytes: vars.MUSTER_AGENT_MAX_IMAGE_GB * 1e9,
    unsafeGpuRuntime: vars.MUSTER_AGENT_UNSAFE_GPU_RUNTIME,
    dockerd: vars.MUSTER_AGENT_DOCKERD,
    path: vars.MUSTER_AGENT_PATH,
    nvidiaSmi: vars.MUSTER_NVIDIA_SMI,
    externalDocker: vars.MUSTER_DOCKER_HOST,
    imagesDir: vars.MUSTER_IMAGES_DIR ?? join(vars.MUSTER_HOME, 'cache', 'images'),
    stopEngine: vars.MUSTER_AGENT_STOP_ENGINE,
    capabilities: vars.MUSTER_AGENT_CAPABILITIES?.split(',') ?? [],
    // The market's own origin: inputs and results that it keeps itself.
    trustedOrigins: [vars.MUSTER_URL, ...(vars.MUSTER_AGENT_TRUSTED_ORIGINS?.split(',') ?? [])].map((url) => new URL(url).origin),
    list: vars.MUSTER_AGENT_LIST,
    frpcPath: vars.FRPC_PATH,
    logLevel: vars.LOG_LEVEL,
    proxyEnv: Object.fromEntries(
      (['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'] as const).flatMap((name) => (vars[name] ? [[name, vars[name]]] : [])),
    ),
  };
}

/** `X=` in an env file means unset. */
const withoutEmpty = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));

function keyFromFile(file: string | undefined): string {
  if (file === undefined) throw new ConfigError('MUSTER_HOST_API_KEY: is missing; set it, or MUSTER_HOST_API_KEY_FILE to a file that holds it');
  const key = readFileSync(file, 'utf8').trim();
  if (!key.startsWith('msh_')) throw new ConfigError(`MUSTER_HOST_API_KEY_FILE: ${file} holds no host API key (msh_…)`);
  return key;
}
