import type { Command } from 'commander';
import type { CliContext } from '../context.js';

/** `up`, `down`, `status`: the market of this machine. */
export function registerMarket(program: Command, _context: CliContext): void {
  program.command('up').description('Run the whole market on this machine, with it as the first host');
}
