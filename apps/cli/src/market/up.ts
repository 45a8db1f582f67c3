import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { fail, type Io, sayJson } from '../output/io.js';
import { logTail } from './child.js';
import type { Places } from './events.js';
import { followUntilReady } from './follow.js';
import { type Layout, layoutOf, makeFolders, programOf } from './layout.js';
import { lockHolder } from './lock.js';
import { sayEvent, sayPlaces } from './render.js';
import { supervise } from './supervise.js';

export interface UpOptions {
  port: number | undefined;
  webPort?: number | undefined;
  web?: boolean;
  detach: boolean;
  agent: boolean;
  nodes: number | undefined;
  owners: number | undefined;
}

/** `muster up`: runs the market in this process, in one of its own with `--detach`, or says that it runs already. */
export async function up(context: CliContext, options: UpOptions): Promise<void> {
  const { config } = context;
  const layout = layoutOf(config.home);
  if (options.agent && process.getuid?.() !== 0) {
    throw new CliError('a host needs root: it runs containers, a bridge and a firewall of its own', EXIT.refused, 'Run it with sudo, or without a host here: muster up --no-agent');
  }
  if (await lockHolder(layout.lock)) return tellRunning(context, layout, options);
  if (options.detach) return detached(context, layout, options);
  const exitCode = await foreground(context, options);
  if (exitCode === undefined) return tellRunning(context, layout, options);
  process.exitCode = exitCode;
}

function foreground({ io, config }: CliContext, options: UpOptions): Promise<number | undefined> {
  return supervise({
    config,
    apiPort: options.port,
    webPort: options.webPort,
    withWeb: options.web,
    withAgent: options.agent,
    nodes: options.nodes,
    owners: options.owners,
    isTty: io.isTty,
    onEvent: (event) => {
      if (event.kind === 'ready') return tell(event.places, 'foreground');
      if (event.kind === 'failed') return void fail(io, new CliError(event.message, event.exit_code as never, event.hint));
      sayEvent(io, event);
    },
  });
  function tell(places: Places, how: 'foreground'): void {
    if (io.json) return sayJson(io, { already_running: false, ...places });
    sayPlaces(io, places, how);
  }
}

async function tellRunning({ io }: CliContext, layout: Layout, options: UpOptions): Promise<void> {
  const places = await runningPlaces(io, layout, options);
  const port = new URL(places.url).port;
  if (options.port !== undefined && port !== String(options.port)) {
    throw new CliError(`Muster runs here already, on port ${port}`, EXIT.refused, 'Stop it first: muster down');
  }
  if (io.json) return sayJson(io, { already_running: true, ...places });
  sayPlaces(io, places, 'already');
}

/** What runs, changed first where other nodes or owners are wished. */
async function runningPlaces(io: Io, layout: Layout, { nodes, owners }: UpOptions): Promise<Places> {
  const nobodyGone = (): Promise<undefined> => Promise.resolve(undefined);
  const places = await followUntilReady(io, layout, nobodyGone);
  if (nodes === undefined && owners === undefined) return places;
  return followUntilReady(io, layout, nobodyGone, { command: 'resize', nodes: nodes ?? null, owners: owners ?? null });
}

async function detached(context: CliContext, layout: Layout, options: UpOptions): Promise<void> {
  const { io } = context;
  const ended = await startDetached(context, layout, options);
  const places = await followUntilReady(io, layout, ended);
  if (io.json) return sayJson(io, { already_running: false, ...places });
  sayPlaces(io, places, 'started');
}

/** Returns what tells why the process is gone, once it is. */
async function startDetached({ config }: CliContext, layout: Layout, options: UpOptions): Promise<() => Promise<string | undefined>> {
  await makeFolders(layout);
  const file = join(layout.log, 'supervisor.log');
  const log = await open(file, 'a', 0o640);
  try {
    const args = [programOf('cli'), 'supervise', ...(options.port === undefined ? [] : ['--port', String(options.port)]), ...webArgs(options), ...(options.agent ? [] : ['--no-agent']), ...countArgs(options)];
    const child = spawn(process.execPath, args, { cwd: '/', detached: true, env: config.own, stdio: ['ignore', log.fd, log.fd] });
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    return async () => (child.exitCode === null && child.signalCode === null ? undefined : `the market could not be started:\n${await logTail(file)}`);
  } finally {
    await log.close();
  }
}

const webArgs = ({ web, webPort }: UpOptions): string[] => [...(web === false ? ['--no-web'] : []), ...(webPort === undefined ? [] : ['--web-port', String(webPort)])];

const countArgs = ({ nodes, owners }: Pick<UpOptions, 'nodes' | 'owners'>): string[] =>
  Object.entries({ nodes, owners }).flatMap(([name, count]) => (count === undefined ? [] : [`--${name}`, String(count)]));

/** `muster supervise`: what `up --detach` starts. Its words go to the log. */
export async function superviseDetached({ io, config }: CliContext, options: Omit<UpOptions, 'detach'>): Promise<void> {
  const exitCode = await supervise({ config, apiPort: options.port, webPort: options.webPort, withWeb: options.web, withAgent: options.agent, nodes: options.nodes, owners: options.owners, isTty: false, onEvent: (event) => io.stdout.write(`${new Date().toISOString()} ${JSON.stringify(event)}\n`) });
  process.exitCode = exitCode ?? EXIT.refused;
}
