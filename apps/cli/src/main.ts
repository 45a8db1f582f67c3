#!/usr/bin/env node
import { ConfigError, readConfig } from './config.js';
import { EXIT, type ExitCode } from './output/exit-codes.js';
import { createIo } from './output/io.js';
import { runProgram } from './program.js';

// Whoever reads us may have read enough, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

async function main(): Promise<ExitCode> {
  try {
    const config = readConfig();
    const { stdout, stderr, stdin } = process;
    return await runProgram(process.argv.slice(2), { config, io: createIo({ stdout, stderr, stdin, noColor: config.noColor, self: config.self }) });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT.usage;
  }
}

const exitCode = await main();
// A command that hands on another program's status has set it itself.
if (exitCode !== EXIT.ok) process.exitCode = exitCode;
