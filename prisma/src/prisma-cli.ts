import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const PACKAGE_DIR = dirname(dirname(fileURLToPath(import.meta.url)));
export const DEFAULT_CONFIG = join(PACKAGE_DIR, 'prisma.config.ts');
export const MIGRATIONS_DIR = join(PACKAGE_DIR, 'migrations');
const ENGINE = join(PACKAGE_DIR, 'bin', 'schema-engine.js');

export interface PrismaRun {
  /** Arguments of the Prisma CLI, e.g. `['migrate', 'deploy']`. */
  args: readonly string[];
  databaseUrl?: string | undefined;
  /** Another prisma.config file than the product's own. */
  configFile?: string;
  /** True shows the CLI's output and lets it ask; false collects it. */
  interactive?: boolean;
}

export interface PrismaResult {
  exitCode: number;
  /** Standard output and error together; empty when interactive. */
  output: string;
}

/** Runs the real Prisma CLI with our own schema engine. Nothing is downloaded and nothing is reported home. */
export function runPrisma(run: PrismaRun): Promise<PrismaResult> {
  const args = [prismaEntry(), ...run.args, '--config', run.configFile ?? DEFAULT_CONFIG];
  const child = spawn(process.execPath, args, {
    cwd: PACKAGE_DIR,
    env: prismaEnvironment(run.databaseUrl),
    stdio: run.interactive ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ exitCode: code ?? 1, output }));
  });
}

function prismaEnvironment(databaseUrl: string | undefined): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: ENGINE,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
    NO_COLOR: '1',
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
  };
}

/** The CLI's own entry file: without a shell and without a package manager in between. */
function prismaEntry(): string {
  const require = createRequire(import.meta.url);
  const manifestFile = require.resolve('prisma/package.json');
  const manifest = z.object({ bin: z.object({ prisma: z.string() }) }).parse(require(manifestFile));
  return join(dirname(manifestFile), manifest.bin.prisma);
}
