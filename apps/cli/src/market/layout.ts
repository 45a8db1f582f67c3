import { chmod, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the repository (or of an installation laid out like it): three folders above `apps/cli/dist/market`. */
export const REPOSITORY = resolve(fileURLToPath(new URL('../../../..', import.meta.url)));

export const DEFAULT_HOME = '/var/lib/muster';

/** Where everything of one market lies. */
export interface Layout {
  home: string;
  cache: string;
  /** Sockets, locks: worth nothing after a boot. */
  run: string;
  log: string;
  /** 0700; one secret a file, 0600. */
  secrets: string;
  /** One file per person, 0600, theirs. */
  credentials: string;
  postgres: string;
  redis: string;
  /** Inputs and results of jobs. */
  storage: string;
  telemetry: string;
  gate: string;
  frps: string;
  agent: string;
  /** State of the second node of this machine and those after it, by number. */
  agents: string;
  /** Ports and names that were chosen once. */
  settings: string;
  lock: string;
  socket: string;
}

export function layoutOf(home: string): Layout {
  const at = (...names: string[]): string => join(home, ...names);
  return {
    home,
    cache: at('cache'),
    run: at('run'),
    log: at('log'),
    secrets: at('secrets'),
    credentials: at('credentials'),
    postgres: at('postgres'),
    redis: at('redis'),
    storage: at('storage'),
    telemetry: at('telemetry'),
    gate: at('gate'),
    frps: at('frps'),
    agent: at('agent'),
    agents: at('agents'),
    settings: at('market.json'),
    lock: at('run', 'supervisor.lock'),
    socket: at('run', 'supervisor.sock'),
  };
}

/** The program of one of our own parts. */
export const programOf = (app: OwnProgram | 'cli'): string => (app === 'frontend' ? WEB_PROGRAM : join(REPOSITORY, 'apps', app, 'dist', 'main.js'));

export type OwnProgram = 'backend' | 'agent' | 'tunnel-gate' | 'frontend';

/** What `next build` makes of the web app: one folder with everything that it needs. */
const WEB_PROGRAM = join(REPOSITORY, 'apps', 'frontend', 'dist', 'standalone', 'apps', 'frontend', 'server.js');

/** Makes the folders that are missing. Postgres and Redis run as users of their own, so anybody may pass through the home. */
export async function makeFolders(layout: Layout): Promise<void> {
  const made = await mkdir(layout.home, { recursive: true, mode: 0o755 });
  if (made !== undefined) await chmod(layout.home, 0o755); // a umask takes bits from mkdir
  await Promise.all([mkdir(layout.log, { recursive: true, mode: 0o750 }), mkdir(layout.run, { recursive: true, mode: 0o755 }), mkdir(layout.cache, { recursive: true })]);
}
