import { createRequire } from 'node:module';
import { parseArguments, type EngineArguments } from './arguments.js';
import { connectionFields, createDatabase, withClient, type ConnectionFields } from './connection.js';
import { EngineAdapterFactory } from './engine-adapter.js';
import { serveRpc } from './rpc.js';
import { lastPanic } from './wasm-engine.js';

/** Exit codes that the Prisma CLI knows. */
const EXIT = { ok: 0, error: 1, panic: 101 } as const;

/** Postgres's error codes as Prisma's. */
const PRISMA_CODES: Readonly<Record<string, string>> = { '3D000': 'P1003', '28P01': 'P1000', '28000': 'P1000' };
const CANNOT_REACH = 'P1001';

/**
 * A schema engine for the Prisma CLI that needs no download: the CLI runs it in place of its own binary
 * (PRISMA_SCHEMA_ENGINE_BINARY) and it passes the work to the WebAssembly engine from the npm package.
 * PostgreSQL only. The URL with the password comes from the environment: arguments are visible to every user.
 */
export async function runSchemaEngine(argv: readonly string[], environmentUrl: string | undefined): Promise<number> {
  const asked = parseArguments(argv);
  if (asked.mode === 'version') {
    process.stdout.write(`schema-engine-cli ${engineVersion()}\n`);
    return EXIT.ok;
  }
  const fields = connectionFields(environmentUrl ?? asked.url ?? '');
  return asked.mode === 'rpc' ? serve(asked, fields) : runOneShot(asked.mode, fields);
}

async function serve(asked: EngineArguments, fields: ConnectionFields): Promise<number> {
  const adapters = new EngineAdapterFactory(fields);
  process.on('uncaughtException', (error) => {
    const panic = lastPanic();
    log('ERROR', panic ?? error.message, { is_panic: panic !== undefined });
    void adapters.dropShadows().finally(() => process.exit(panic ? EXIT.panic : EXIT.error));
  });
  await serveRpc({ fields, datamodels: asked.datamodels, adapters });
  await adapters.dropShadows();
  return EXIT.ok;
}

async function runOneShot(mode: 'can-connect-to-database' | 'create-database', fields: ConnectionFields): Promise<number> {
  log('INFO', 'schema engine starts'); // the CLI drops the first line of standard error
  try {
    if (mode === 'create-database') await createDatabase(fields);
    else await withClient(fields, (client) => client.query('SELECT 1'));
    process.stdout.write('ok\n');
    return EXIT.ok;
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string };
    log('ERROR', message, { error_code: PRISMA_CODES[code] ?? CANNOT_REACH, is_panic: false });
    return EXIT.error;
  }
}

function log(level: string, message: string, extra: Record<string, unknown> = {}): void {
  const line = { timestamp: new Date().toISOString(), level, fields: { message, ...extra }, target: 'schema_engine' };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

function engineVersion(): string {
  const manifest = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm').replace(/schema_engine\.js$/, 'package.json');
  const { version } = createRequire(import.meta.url)(manifest) as { version: string };
  return `wasm-${version}`;
}
