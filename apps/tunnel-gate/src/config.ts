import { z } from 'zod';

const Port = z
  .string()
  .regex(/^\d{1,5}$/, 'must be a port number, e.g. 7080')
  .transform(Number)
  .pipe(z.number().int().min(0).max(65535));

const Environment = z.object({
  MUSTER_GATE_PORT: Port.default(7080),
  MUSTER_GATE_BACKEND_URL: z.url({ protocol: /^https?$/, error: 'must be the URL of the backend, e.g. http://127.0.0.1:8080' }),
  MUSTER_GATE_SECRET: z.string('must be the secret shared with the backend').min(16, 'must be at least 16 characters, e.g. openssl rand -hex 32'),
  MUSTER_GATE_STATE_DIR: z.string('must be a folder that only the gate may read, e.g. /var/lib/muster/gate').min(1),
  MUSTER_TUNNEL_SERVER_ID: z.string('must be the id of this tunnel server in the market').min(1).max(100),
  MUSTER_TUNNEL_ISSUER: z.url({ error: 'must be the URL at which frps reads discovery, e.g. http://127.0.0.1:7080' }).optional(),
  MUSTER_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface GateConfig {
  /** 0 = any free port. */
  port: number;
  backendUrl: string;
  secret: string;
  stateDir: string;
  tunnelServerId: string;
  /** `iss` of tunnel tokens and frps's `auth.oidc.issuer`. Undefined = `http://127.0.0.1:<port>`. */
  issuer: string | undefined;
  logLevel: string;
}

/** Throws an Error that names each bad variable, what is wrong and an example. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): GateConfig {
  const parsed = Environment.safeParse(env);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The tunnel gate cannot start; its environment is wrong:\n${lines.join('\n')}`);
  }
  const value = parsed.data;
  return {
    port: value.MUSTER_GATE_PORT,
    backendUrl: value.MUSTER_GATE_BACKEND_URL.replace(/\/+$/, ''),
    secret: value.MUSTER_GATE_SECRET,
    stateDir: value.MUSTER_GATE_STATE_DIR,
    tunnelServerId: value.MUSTER_TUNNEL_SERVER_ID,
    issuer: value.MUSTER_TUNNEL_ISSUER?.replace(/\/+$/, ''),
    logLevel: value.MUSTER_LOG_LEVEL,
  };
}
