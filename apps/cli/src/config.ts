import { z } from 'zod';

const id = z.string().regex(/^\d{1,10}$/, 'must be a number').transform(Number);

const Environment = z.object({
  MUSTER_URL: z.url({ protocol: /^https?$/, error: 'must be the address of a market, e.g. http://127.0.0.1:8080' }).optional(),
  MUSTER_API_KEY: z.string().min(1).optional(),
  MUSTER_HOME: z.string().startsWith('/', 'must be an absolute folder, e.g. /var/lib/muster').default('/var/lib/muster'),
  MUSTER_WEB_PORT: z.string().regex(/^[1-9]\d{0,4}$/, 'must be a port number, e.g. 3000').transform(Number).optional(),
  MUSTER_CALLER_UID: id.optional(),
  MUSTER_CALLER_GID: id.optional(),
  MUSTER_CALLER_HOME: z.string().startsWith('/', 'must be an absolute folder').optional(),
  FRPS_PATH: z.string().startsWith('/', 'must be the absolute path of frps').optional(),
  FRPC_PATH: z.string().startsWith('/', 'must be the absolute path of frpc').optional(),
  /** How the script was called; printed in front of its commands. */
  MUSTER_SELF: z.string().max(500).default('muster'),
  NO_COLOR: z.string().optional(),
  HOME: z.string().optional(),
  PATH: z.string().default('/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'),
});

/** Handed on to the parts of `up` as they are: their own settings, and how they reach the outside. */
const HANDED_ON = /^(MUSTER_AGENT_[A-Z_]+|MUSTER_DOCKER_HOST|MUSTER_NVIDIA_SMI|MUSTER_IMAGES_DIR|MUSTER_PORT_REST_S|MUSTER_DISTINCT_BY|MUSTER_(RATE|SIGN_IN)_LIMIT_PER_MIN|MUSTER_DATABASE_POOL|METRICS_TOKEN|HTTP_PROXY|HTTPS_PROXY|NO_PROXY|LOG_LEVEL|TZ|NODE_EXTRA_CA_CERTS)$/;

/** Handed on to the backend alone: they hold keys of the storage. */
const FOR_BACKEND = /^(S3_(ENDPOINT|BUCKET|REGION|ACCESS_KEY_ID|SECRET_ACCESS_KEY)|RESULTS_KEPT_DAYS)$/;

/** Everything the command line takes from outside, read once. */
export interface CliConfig {
  /** Another market than the one here; from MUSTER_URL. */
  url: string | undefined;
  apiKey: string | undefined;
  /** State of the market of this machine. */
  home: string;
  /** The person who called: differs from the process's user when the script went through sudo. */
  caller: { uid: number; gid: number; home: string | undefined };
  /** Of the web app of `up`; `--web-port` goes before it. */
  webPort: number | undefined;
  frpsPath: string | undefined;
  frpcPath: string | undefined;
  noColor: boolean;
  /** What to print for ourselves in a command to paste. */
  self: string;
  /** For `node join` alone: how this machine proves whose it is. */
  hostKey: Record<string, string>;
  path: string;
  handedOn: Record<string, string>;
  forBackend: Record<string, string>;
  /** The whole environment, for starting this program again. */
  own: Record<string, string>;
}

/** The environment is not usable; one line per wrong variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Parses the environment; an empty variable counts as absent. Throws ConfigError. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): CliConfig {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '');
  const given = Object.fromEntries(entries);
  const parsed = Environment.safeParse(given);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('\n'));
  const vars = parsed.data;
  return {
    url: vars.MUSTER_URL?.replace(/\/+$/, ''),
    apiKey: vars.MUSTER_API_KEY,
    home: vars.MUSTER_HOME.replace(/\/+$/, ''),
    caller: {
      uid: vars.MUSTER_CALLER_UID ?? process.getuid?.() ?? 0,
      gid: vars.MUSTER_CALLER_GID ?? process.getgid?.() ?? 0,
      home: vars.MUSTER_CALLER_HOME ?? vars.HOME,
    },
    webPort: vars.MUSTER_WEB_PORT,
    frpsPath: vars.FRPS_PATH,
    frpcPath: vars.FRPC_PATH,
    noColor: vars.NO_COLOR !== undefined,
    self: vars.MUSTER_SELF,
    hostKey: Object.fromEntries(entries.filter(([name]) => /^MUSTER_HOST_API_KEY(_FILE)?$/.test(name))),
    path: vars.PATH,
    handedOn: Object.fromEntries(entries.filter(([name]) => HANDED_ON.test(name))),
    forBackend: Object.fromEntries(entries.filter(([name]) => FOR_BACKEND.test(name))),
    own: Object.fromEntries(entries),
  };
}
