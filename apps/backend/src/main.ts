import 'reflect-metadata';
import { migrateDeploy } from '@muster/prisma';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { closeGracefully, configureApp, listen } from './app.js';
import { AppModule } from './app.module.js';
import { bootstrapMarket, parseBootstrapArgs } from './bootstrap.js';
import { ConfigError, loadConfig } from './config.js';
import { Db } from './platform/db.js';
import { pendingMigrations } from './platform/migrations.js';
import { routeFaults } from './platform/routes.js';

const USAGE = `usage: node dist/main.js [COMMAND]
  (none)      serve
  migrate     bring the database to the newest migration
  bootstrap [--email E [--grant USD] [--replace-secrets]]
              migrate, then make what a new market needs, and an operator's account; prints one JSON line
The environment is described in .env.example`;

/** Longest time to end; what is left then is cut. */
const SHUTDOWN_MS = 25_000;

async function serve(): Promise<void> {
  await refusePendingMigrations();
  const app = await NestFactory.create<NestExpressApplication>(AppModule, { bodyParser: false, bufferLogs: true, abortOnError: false });
  const inFlight = configureApp(app);
  const faults = routeFaults(app);
  if (faults.length > 0) throw new Error(`routes and catalogue disagree:\n${faults.join('\n')}`);
  let closing: Promise<void> | undefined;
  const stop = (): void => {
    if (closing) process.exit(1);
    setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
    closing = closeGracefully(app, inFlight);
    closing.then(() => process.exit(0), fatal);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const url = await listen(app);
  process.stdout.write(`${JSON.stringify({ level: 'info', service: 'muster-backend', msg: 'listening', url, time: new Date().toISOString() })}\n`);
}

/** A schema that the code does not know would fail later and in parts. */
async function refusePendingMigrations(): Promise<void> {
  const db = new Db(loadConfig());
  try {
    const pending = await pendingMigrations(db);
    if (pending.length > 0) throw new ConfigError(`The database lacks migrations (${pending.join(', ')}). Run: node dist/main.js migrate`);
  } finally {
    await db.onApplicationShutdown();
  }
}

async function main(argv: readonly string[]): Promise<void> {
  const [command, ...rest] = argv;
  if (command === undefined) return await serve();
  if (command === 'migrate') return await migrateDeploy(loadConfig().databaseUrl);
  if (command === 'bootstrap') {
    const made = await bootstrapMarket(loadConfig(), parseBootstrapArgs(rest));
    process.stdout.write(`${JSON.stringify(made)}\n`);
    return;
  }
  throw new ConfigError(USAGE);
}

function fatal(error: unknown): never {
  const words = error instanceof ConfigError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${words}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}

await main(process.argv.slice(2)).catch(fatal);
