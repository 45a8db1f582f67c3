import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ConnectionInfo, RentalView } from '@muster/shared-types';
import type { Command } from 'commander';
import type { CliConfig } from '../config.js';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { type Access, openAccess, personalDir } from './access.js';
import { type SshFiles, sshFiles, strictOptions } from './connection-files.js';
import { readText, writePersonal } from './personal-files.js';
import { remember } from './recall.js';
import { rentalName } from './rental-words.js';
import { findRental } from './rentals.js';

export function registerSsh(program: Command, context: CliContext): void {
  program
    .command('ssh')
    .description('A shell in the instance, or one command in it')
    .argument('<rental>', 'number of the last list, or an id')
    .argument('[command...]', 'after --')
    .addHelpText('after', '\nExample:\n  muster ssh 1\n  muster ssh 1 -- nvidia-smi')
    .action((typed: string, command: string[]) => shell(context, typed, command));
  program
    .command('scp')
    .description('Copy files to or from an instance')
    .argument('<paths...>', 'as for scp; N:/path is a path in rental N')
    .option('-r, --recursive', 'folders as a whole')
    .addHelpText('after', '\nExample:\n  muster scp 1:/workspace/model.bin ./\n  muster scp -r ./data 1:/workspace/')
    .action((paths: string[], options: { recursive?: boolean }) => scp(context, paths, options));
  program
    .command('ssh-config')
    .description('Make plain ssh, scp, rsync and VS Code know your rentals as muster-1, muster-2 …')
    .option('--print', 'print it instead of writing it')
    .addHelpText('after', '\nExample:\n  muster ssh-config && ssh muster-1')
    .action((options: { print?: boolean }) => sshConfig(context, options));
}

interface Way {
  rental: RentalView;
  connection: ConnectionInfo;
  ssh: NonNullable<ConnectionInfo['ssh']>;
  files: SshFiles;
}

async function wayIn(context: CliContext, access: Access, typed: string): Promise<Way> {
  const rental = await findRental(context, access, typed);
  if (rental.status !== 'running') throw new CliError(`${rentalName(rental)} is ${rental.status}, not running.`, EXIT.refused, `See why with: muster show ${typed}`);
  const connection = await access.client.call('getConnection', { params: { rental_id: rental.id } });
  if (!connection.ssh) throw new CliError(`The image of ${rentalName(rental)} has no SSH server.`, EXIT.refused, `See its ports with: muster show ${typed}`);
  return { rental, connection, ssh: connection.ssh, files: await sshFiles(context.config, rental.id, connection) };
}

async function shell(context: CliContext, typed: string, command: string[]): Promise<void> {
  const access = await openAccess(context.config);
  const { connection, ssh, files } = await wayIn(context, access, typed);
  process.exitCode = await run('ssh', [...strictOptions(files), '-p', String(ssh.port), `${ssh.user}@${connection.host}`, ...(command.length > 0 ? ['--', ...command] : [])]);
}

async function scp(context: CliContext, paths: string[], { recursive }: { recursive?: boolean }): Promise<void> {
  const named = paths.map((path) => /^([\w-]+):(.*)$/.exec(path)?.[1]).filter((typed) => typed !== undefined);
  const typed = named[0];
  if (typed === undefined) throw new CliError('No path names a rental.', EXIT.usage, 'For example: muster scp 1:/workspace/file ./');
  if (new Set(named).size > 1) throw new CliError('All remote paths must be of one rental.', EXIT.usage);
  const access = await openAccess(context.config);
  const { connection, ssh, files } = await wayIn(context, access, typed);
  const remote = paths.map((path) => (path.startsWith(`${typed}:`) ? `${ssh.user}@${connection.host}:${path.slice(typed.length + 1)}` : path));
  process.exitCode = await run('scp', [...strictOptions(files), '-P', String(ssh.port), ...(recursive ? ['-r'] : []), ...remote]);
}

/** Hands the terminal to OpenSSH; its exit code is ours. */
export function run(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    child.once('error', () => reject(new CliError(`${program} cannot be run.`, EXIT.failed, 'Install openssh-client.')));
    child.once('exit', (code, signal) => resolve(code ?? (signal ? 255 : 1)));
  });
}

async function sshConfig(context: CliContext, { print }: { print?: boolean }): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const { items } = await access.client.call('listRentals', { query: { state: 'live', limit: 200 } });
  await remember(config, 'rentals', items.map((rental) => rental.id));
  const hosts: { host: string; block: string }[] = [];
  for (const [index, rental] of items.entries()) {
    if (rental.status !== 'running') continue;
    const way = await wayIn(context, access, rental.id);
    if (way.ssh) hosts.push({ host: `muster-${index + 1}`, block: hostBlock(`muster-${index + 1} muster-${rentalName(rental).slice('rental_'.length)}`, way) });
  }
  const text = `${hosts.map((one) => one.block).join('\n')}`;
  const path = join(personalDir(config), 'ssh_config');
  if (print) return void io.stdout.write(text);
  await writePersonal(config, path, text);
  const included = await includeIn(config, path);
  if (io.json) return sayJson(io, { path, included_in: included, hosts: hosts.map((one) => one.host) });
  say(io, hosts.length === 0 ? 'Nothing runs; the file is empty now.' : `${io.paint.green('✓')} ${hosts.map((one) => one.host).join(', ')}: ssh, scp, rsync, sftp and VS Code know them now.`);
  say(io, `  ${io.paint.dim(`${path}, included in ${included}`)}`);
  if (hosts[0]) say(io, `\n  ${io.paint.bold(`ssh ${hosts[0].host}`)}`);
}

function hostBlock(names: string, { connection, ssh, files }: Way): string {
  return [
    `Host ${names}`,
    `  HostName ${connection.host}`,
    `  Port ${ssh.port}`,
    `  User ${ssh.user}`,
    '  StrictHostKeyChecking yes',
    `  UserKnownHostsFile "${files.knownHosts}"`,
    '  GlobalKnownHostsFile /dev/null',
    '  UpdateHostKeys no',
    ...(files.identity ? [`  IdentityFile "${files.identity}"`, '  IdentitiesOnly yes'] : []),
    '',
  ].join('\n');
}

/** One `Include` line at the top of the person's own file; put there once. */
async function includeIn(config: CliConfig, path: string): Promise<string> {
  const own = join(personalDir(config), '..', '.ssh', 'config');
  const line = `Include "${path}"`;
  const before = (await readText(own)) ?? '';
  if (!before.split('\n').includes(line)) await writePersonal(config, own, `${line}\n\n${before}`);
  return own;
}
