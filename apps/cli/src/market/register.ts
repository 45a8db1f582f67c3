import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { down } from './down.js';
import { MOST_NODES } from './settings.js';
import { status } from './status.js';
import { superviseDetached, up } from './up.js';

interface UpFlags {
  port?: number;
  webPort?: number;
  web: boolean;
  detach?: boolean;
  agent: boolean;
  nodes?: number;
  owners?: number;
}

/** `up`, `down`, `status`: the market of this machine. */
export function registerMarket(program: Command, context: CliContext): void {
  program
    .command('up')
    .description('Run the whole market on this machine, with the machine as its first host')
    .option('--detach', 'go on in the background')
    .addOption(portOption())
    .addOption(webPortOption())
    .option('--no-web', 'without the web app')
    .option('--no-agent', 'without a host here')
    .addOption(countOption('nodes', 'this machine as so many nodes, each with its own key, engine, network and share of it'))
    .addOption(countOption('owners', 'whose they are: so many accounts, in turn'))
    .addHelpText('after', '\nExamples:\n  muster up --detach\n  muster up --detach --nodes 3 --owners 3\n\nNodes and owners stay as they were when they are left out.')
    .action((flags: UpFlags) => up(context, { ...flags, ...countsOf(flags), port: flags.port, detach: flags.detach ?? false }));
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
    .addOption(webPortOption())
    .option('--no-web')
    .option('--no-agent')
    .addOption(countOption('nodes', ''))
    .addOption(countOption('owners', ''))
    .action((flags: UpFlags) => superviseDetached(context, { ...countsOf(flags), port: flags.port, webPort: flags.webPort, web: flags.web, agent: flags.agent }));
}

/** Nodes are agents: without one there is none to count. */
function countsOf({ agent, nodes, owners }: UpFlags): { nodes: number | undefined; owners: number | undefined } {
  if (!agent && (nodes ?? owners) !== undefined) throw new CliError('--nodes and --owners need a host here', EXIT.usage, 'Leave --no-agent out');
  return { nodes, owners };
}

const countOption = (name: 'nodes' | 'owners', description: string): Option => new Option(`--${name} <number>`, description).argParser(parseCount);

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d$/.test(text) || count < 1 || count > MOST_NODES) throw new InvalidArgumentError(`must be a number from 1 to ${MOST_NODES}`);
  return count;
}

const portOption = (): Option => new Option('--port <number>', 'port of the API (8080)').argParser(parsePort);
const webPortOption = (): Option => new Option('--web-port <number>', 'port of the web app (3000)').argParser(parsePort);

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) throw new InvalidArgumentError('must be a port number, e.g. 8080');
  return port;
}
