import type { Command } from 'commander';
import type { CliConfig } from './config.js';
import type { Io } from './output/io.js';

/** What every command gets. */
export interface CliContext {
  io: Io;
  config: CliConfig;
}

/** A group of commands adds itself to the program. */
export type Register = (program: Command, context: CliContext) => void;
