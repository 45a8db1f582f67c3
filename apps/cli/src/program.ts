import { Command, CommanderError } from 'commander';
import { registerAdmin } from './commands/admin.js';
import { registerExec } from './commands/exec.js';
import { registerKeys } from './commands/keys.js';
import { registerLogs } from './commands/logs.js';
import { registerMarketWords } from './commands/market-words.js';
import { registerMoney } from './commands/money.js';
import { registerNode } from './commands/node.js';
import { registerOpen } from './commands/open.js';
import { registerRent } from './commands/rent.js';
import { registerRentals } from './commands/rentals.js';
import { registerStopStart } from './commands/stop-start.js';
import { registerSearch } from './commands/search.js';
import { registerSsh } from './commands/ssh.js';
import { registerDemo } from './demo/demo.js';
import type { CliContext, Register } from './context.js';
import { registerJobs } from './jobs/jobs.js';
import { registerMarketViews } from './jobs/market-views.js';
import { registerResult } from './jobs/result.js';
import { registerSubmit } from './jobs/submit.js';
import { registerMarket } from './market/register.js';
import { EXIT, type ExitCode } from './output/exit-codes.js';
import { fail } from './output/io.js';

const REGISTRATIONS: readonly Register[] = [
  registerMarket,
  registerSearch,
  registerRent,
  registerRentals,
  registerStopStart,
  registerLogs,
  registerExec,
  registerSsh,
  registerOpen,
  registerSubmit,
  registerJobs,
  registerResult,
  registerMarketViews,
  registerMoney,
  registerMarketWords,
  registerNode,
  registerKeys,
  registerAdmin,
  registerDemo,
];

export function createProgram(context: CliContext): Command {
  const { io } = context;
  const program = new Command('muster')
    .description('Rent machines from anyone, to anyone, over one market, and have them compute what k of n agree on')
    .option('--json', 'print one JSON document instead of words')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: (text) => io.stdout.write(io.asCalled(text)), writeErr: (text) => io.stderr.write(io.asCalled(text)) })
    .showHelpAfterError('(add --help for usage and an example)')
    .exitOverride()
    .hook('preAction', () => {
      io.json = Boolean(program.opts<{ json?: boolean }>().json);
    });
  for (const register of REGISTRATIONS) register(program, context);
  return program;
}

/** Runs one command line; the exit code says how it went. */
export async function runProgram(argv: readonly string[], context: CliContext): Promise<ExitCode> {
  try {
    await createProgram(context).parseAsync(argv, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return fail(context.io, error);
  }
}
