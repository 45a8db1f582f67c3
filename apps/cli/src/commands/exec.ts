import { once } from 'node:events';
import type { ExecExit, ExecSession, LiveClient } from '@muster/client';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { openAccess } from './access.js';
import { openLive } from './live.js';
import { rentalName } from './rental-words.js';
import { findRental } from './rentals.js';

interface ExecOptions {
  interactive?: boolean;
  tty?: boolean;
}

/** As shells tell a program that was interrupted. */
const INTERRUPTED = 130;
const { stdin, stdout, stderr } = process;

export function registerExec(program: Command, context: CliContext): void {
  program
    .command('exec')
    .description('Run a command in the instance through the market, with or without SSH in it; its exit code is ours')
    .argument('<rental>', 'number of the last list, or an id')
    .argument('[command...]', 'after --; a login shell when left out')
    .option('-i, --interactive', 'hand on what is typed here; what is piped in is always handed on')
    .option('-t, --tty', 'in a terminal')
    .addHelpText('after', '\nExample:\n  muster exec 1 -- nvidia-smi\n  muster exec -it 1 -- python3\n  tar c data | muster exec 1 -- tar x -C /workspace')
    .action((typed: string, command: string[], options: ExecOptions) => exec(context, typed, command, options));
}

async function exec(context: CliContext, typed: string, command: string[], options: ExecOptions): Promise<void> {
  const here = Boolean(stdin.isTTY && stdout.isTTY);
  const tty = options.tty ?? (command.length === 0 && here);
  if (tty && !here) throw new CliError('A terminal needs one here too.', EXIT.usage, 'Leave --tty out to pipe.');
  const access = await openAccess(context.config);
  const rental = await findRental(context, access, typed);
  if (rental.status !== 'running') throw new CliError(`${rentalName(rental)} is ${rental.status}, not running.`, EXIT.refused, `See why with: muster show ${typed}`);
  const live = await openLive(access);
  try {
    const typing = tty || options.interactive === true || !stdin.isTTY;
    const { exitCode, message } = await run(live, { rental_id: rental.id, command, tty, cols: stdout.columns || 80, rows: stdout.rows || 24 }, typing);
    if (exitCode === null) throw new CliError(`The command was cut: ${message ?? 'no reason is known'}.`, EXIT.failed);
    process.exitCode = exitCode;
  } finally {
    live.close();
  }
}

async function run(live: LiveClient, command: Parameters<LiveClient['exec']>[0], typing: boolean): Promise<ExecExit> {
  let ended: (exit: ExecExit) => void = () => undefined;
  const exit = new Promise<ExecExit>((resolve) => (ended = resolve));
  const session = await live.exec(command, { onOutput: (bytes, stream) => written(stream === 'stderr' ? stderr : stdout, bytes), onExit: (how) => ended(how) });
  const letGo = command.tty ? holdTerminal(session) : onInterrupt(session);
  if (typing) void handOn(session);
  else session.end();
  try {
    return await exit;
  } finally {
    letGo();
    stdin.destroy();
  }
}

/** Waits for a reader that is slower than the command. */
async function written(out: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> {
  if (!out.write(bytes)) await once(out, 'drain');
}

async function handOn(session: ExecSession): Promise<void> {
  try {
    for await (const chunk of stdin as AsyncIterable<Buffer>) await session.write(chunk);
  } catch (error) {
    // Torn off when the command ended before its input.
    if (!session.ended) throw error;
  }
  session.end();
}

/** Keys go to the instance as they are, Ctrl-C included. */
function holdTerminal(session: ExecSession): () => void {
  const resize = (): void => session.resize(stdout.columns, stdout.rows);
  stdin.setRawMode(true);
  stdout.on('resize', resize);
  return () => {
    stdout.off('resize', resize);
    stdin.setRawMode(false);
  };
}

/** Without a terminal over there, Ctrl-C here ends the command. */
function onInterrupt(session: ExecSession): () => void {
  const interrupted = (): void => {
    session.close();
    process.exit(INTERRUPTED);
  };
  process.once('SIGINT', interrupted);
  return () => process.off('SIGINT', interrupted);
}
