import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { DEFAULT_PORTS } from '@muster/shared-types';
import { writeAtomic } from './atomic-file.js';
import { ensureCertificates } from './frps-certificates.js';
import { renderFrpsConfig } from './frps-config.rules.js';

const port = (preset: number): z.ZodType<number> =>
  z.string().regex(/^\d{1,5}$/).transform(Number).pipe(z.number().int().min(1).max(65535)).default(preset);
const address = z.string().refine((text) => isIP(text) !== 0, 'must be an IP address');

const Options = z
  .object({
    state: z.string('is needed: --state DIR').min(1),
    'bind-addr': address.default('127.0.0.1'),
    'bind-port': port(DEFAULT_PORTS.frps),
    'proxy-bind-addr': address.optional(),
    'first-port': port(DEFAULT_PORTS.tunnelFirst),
    'last-port': port(DEFAULT_PORTS.tunnelLast),
    'admin-port': port(DEFAULT_PORTS.frpsAdmin),
    'gate-port': port(DEFAULT_PORTS.gate),
    issuer: z.url().optional(),
    'log-level': z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  })
  .refine((options) => options['first-port'] <= options['last-port'], 'first-port is above last-port');

/** What the supervisor needs to start frps: `frps -c <config_path>`. */
export interface PreparedFrps {
  config_path: string;
  ca_path: string;
  ca_pem: string;
  issuer: string;
  bind_port: number;
  admin_url: string;
  admin_user: string;
  /** File, 0600. A new password at every preparation. */
  admin_password_path: string;
}

const OPTION_NAMES = Object.keys(Options.shape);

/** Writes frps.toml (0600) and, once, the CA and the server's certificate under `--state`. Throws an Error with the usage fault. */
export async function prepareFrps(argv: readonly string[], now: Date): Promise<PreparedFrps> {
  const options = readOptions(argv);
  const folder = resolve(options.state);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const certificates = await ensureCertificates(folder, now);
  const issuer = (options.issuer ?? `http://127.0.0.1:${options['gate-port']}`).replace(/\/+$/, '');
  const adminPassword = randomBytes(24).toString('base64url');
  const configPath = join(folder, 'frps.toml');
  const passwordPath = join(folder, 'admin-password');
  const config = renderFrpsConfig({
    bindAddr: options['bind-addr'],
    bindPort: options['bind-port'],
    proxyBindAddr: options['proxy-bind-addr'] ?? options['bind-addr'],
    firstPort: options['first-port'],
    lastPort: options['last-port'],
    adminPort: options['admin-port'],
    adminPassword,
    issuer,
    gateAddr: `127.0.0.1:${options['gate-port']}`,
    certPath: certificates.certPath,
    keyPath: certificates.keyPath,
    logLevel: options['log-level'],
  });
  await writeAtomic(passwordPath, adminPassword);
  await writeAtomic(configPath, config);
  return {
    config_path: configPath,
    ca_path: certificates.caPath,
    ca_pem: await readFile(certificates.caPath, 'utf8'),
    issuer,
    bind_port: options['bind-port'],
    admin_url: `http://127.0.0.1:${options['admin-port']}`,
    admin_user: 'admin',
    admin_password_path: passwordPath,
  };
}

function readOptions(argv: readonly string[]): z.output<typeof Options> {
  const { values } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(OPTION_NAMES.map((name) => [name, { type: 'string' as const }])),
    strict: true,
  });
  const parsed = Options.safeParse(values);
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map((issue) => `prepare-frps: --${issue.path.join('.')} ${issue.message}`).join('\n'));
}
