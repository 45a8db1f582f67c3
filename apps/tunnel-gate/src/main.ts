#!/usr/bin/env node
import { pino } from 'pino';
import { loadConfig } from './config.js';
import { prepareFrps } from './prepare-frps.js';
import { runGate } from './run-gate.js';

/** `main.js` runs the gate; `main.js prepare-frps --state DIR …` writes what frps needs and prints where as JSON. */
async function main([command, ...rest]: readonly string[]): Promise<void> {
  switch (command) {
    case 'prepare-frps':
      process.stdout.write(`${JSON.stringify(await prepareFrps(rest, new Date()))}\n`);
      return;
    case undefined:
      return serve();
    default:
      throw new Error(`There is no command "${command}". Without one the gate runs; the other is prepare-frps.`);
  }
}

async function serve(): Promise<void> {
  const config = loadConfig();
  const log = pino({ name: 'tunnel-gate', level: config.logLevel });
  const gate = await runGate(config, log);
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopping');
    gate.stop().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

main(process.argv.slice(2)).catch(fail);
