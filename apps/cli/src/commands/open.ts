import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionInfo } from '@muster/shared-types';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { openAccess } from './access.js';
import { sshFiles, strictOptions } from './connection-files.js';
import { findRental } from './rentals.js';
import { rentalName } from './rental-words.js';

const READY_WITHIN_MS = 60_000;

export function registerOpen(program: Command, context: CliContext): void {
  program
    .command('open')
    .description('Open a service of the instance in the browser, through SSH when there is SSH')
    .argument('<rental>', 'number of the last list, or an id')
    .argument('<service>', 'jupyter')
    .option('--public', 'print the public address instead: plain HTTP, protected by the token alone')
    .option('--port <n>', 'local port; a free one when left out')
    .addHelpText('after', '\nExample:\n  muster open 1 jupyter')
    .action((typed: string, service: string, options: { public?: boolean; port?: string }) => open(context, typed, service, options));
}

async function open(context: CliContext, typed: string, service: string, options: { public?: boolean; port?: string }): Promise<void> {
  const { io, config } = context;
  if (service !== 'jupyter') throw new CliError(`There is no service ${service}.`, EXIT.usage, 'Known here: jupyter');
  const access = await openAccess(config);
  const rental = await findRental(context, access, typed);
  if (rental.status !== 'running') throw new CliError(`${rentalName(rental)} is ${rental.status}, not running.`, EXIT.refused);
  const connection = await access.client.call('getConnection', { params: { rental_id: rental.id } });
  const { jupyter } = connection;
  if (!jupyter) throw new CliError(`The image of ${rentalName(rental)} has no Jupyter.`, EXIT.refused);
  await untilAnswers(jupyter.url);
  if (options.public || !connection.ssh) {
    if (io.json) return sayJson(io, { url: jupyter.url, public: true });
    return say(io, `${jupyter.url}\n${io.paint.dim('Plain HTTP: the token is the only lock, and the way to the market can be read by others.')}`);
  }
  await forward(context, rental.id, connection, jupyter, Number(options.port) || (await freePort()));
}

/** Jupyter needs some seconds after sshd; a person should not see a refused connection. */
async function untilAnswers(url: string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const answer = await fetch(new URL('/api', url), { signal: AbortSignal.timeout(3_000) }).catch(() => null);
    if (answer?.ok) return;
    if (Date.now() > deadline) throw new CliError('Jupyter does not answer.', EXIT.timedOut, 'Its log is in the instance: /var/log/jupyter.log');
    await sleep(300);
  }
}

async function forward(
  { io, config }: CliContext,
  rentalId: string,
  connection: ConnectionInfo,
  jupyter: NonNullable<ConnectionInfo['jupyter']>,
  port: number,
): Promise<void> {
  const files = await sshFiles(config, rentalId, connection);
  const inside = Object.entries(connection.ports).find(([, outside]) => outside === jupyter.port)?.[0] ?? '8888';
  const target = `${connection.ssh?.user ?? 'root'}@${connection.host}`;
  const child = spawn('ssh', [...strictOptions(files), '-N', '-o', 'ExitOnForwardFailure=yes', '-L', `127.0.0.1:${port}:127.0.0.1:${inside}`, '-p', String(connection.ssh?.port ?? 22), target], { stdio: ['ignore', 'inherit', 'inherit'] });
  const url = `http://127.0.0.1:${port}/lab?token=${jupyter.token}`;
  if (io.json) sayJson(io, { url, public: false });
  say(io, `${io.paint.green('✓')} ${io.paint.bold(url)}\n${io.paint.dim('Goes through SSH; Ctrl-C ends it.')}`);
  if (io.isTty) spawn('xdg-open', [url], { stdio: 'ignore', detached: true }).on('error', () => say(io, io.paint.dim('No browser was found here: paste the address into yours.'))).unref();
  process.exitCode = await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 0)));
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
