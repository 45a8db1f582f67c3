import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CliContext } from '../context.js';
import { down } from './down.js';
import { status } from './status.js';
import { superviseDetached, up } from './up.js';

interface UpFlags {
  port?: number;
  detach?: boolean;
  agent: boolean;
}

/** `up`, `down`, `status`: the market of this machine. */
export function registerMarket(program: Command, context: CliContext): void {
  program
    .command('up')
    .description('Run the whole market on this machine, with the machine as its first host')
    .option('--detach', 'go on in the background')
    .addOption(portOption())
    .option('--no-agent', 'without a host here')
    .addHelpText('after', '\nExample:\n  muster up --detach')
    .action((flags: UpFlags) => up(context, { port: flags.port, detach: flags.detach ?? false, agent: flags.agent }));
  program
    .command('down')
    .description('Stop everything that `up` runs here')
    .option('--yes', 'also end the rentals of this machine')
    .addHelpText('after', '\nExample:\n  muster down --yes')
    .action((flags: { yes?: boolean }) => down(context, { yes: flags.yes ?? false }));
  program
    .command('status')
    .description('The parts of the market that runs here')
    .addHelpText('after', '\nExample:\n  muster status --json')
    .action(() => status(context));
  program
    .command('supervise', { hidden: true })
    .addOption(portOption())
    .option('--no-agent')
    .action((flags: UpFlags) => superviseDetached(context, { port: flags.port, agent: flags.agent }));
}

const portOption = (): Option => new Option('--port <number>', 'port of the API (8080)').argParser(parsePort);

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) throw new InvalidArgumentError('must be a port number, e.g. 8080');
  return port;
}
