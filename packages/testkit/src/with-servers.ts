import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildTestServersAhead } from './builds-ahead.js';
import { acquireTestPostgres, ensureTemplate, POSTGRES_URL_VARIABLE } from './test-postgres-server.js';
import type { Tally } from './skip-report.js';

/**
 * Runs a command (`node with-servers.js turbo run test`) with one real Postgres for all packages in it, and ends
 * with the counts of all of them.
 */
async function main(command: readonly string[]): Promise<number> {
  const scratch = await mkdtemp(join(tmpdir(), 'muster-tally-'));
  const tallyFile = join(scratch, 'tally.jsonl');
  const server = await acquireTestPostgres();
  const builds = await buildTestServersAhead();
  try {
    await ensureTemplate(server.url);
    const code = await run(command, { [POSTGRES_URL_VARIABLE]: server.url, MUSTER_TEST_TALLY: tallyFile });
    await printTotal(tallyFile);
    return code;
  } finally {
    await builds.stop();
    await server.stop();
    await rm(scratch, { recursive: true, force: true });
  }
}

function run([program = '', ...args]: readonly string[], extra: Record<string, string>): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...extra } });
  // The terminal sends Ctrl-C to the child too; this process only has to stay until its servers are stopped.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGTERM']));
  });
}

async function printTotal(tallyFile: string): Promise<void> {
  const lines = (await readFile(tallyFile, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const tallies = lines.map((line) => JSON.parse(line) as Tally);
  const skipped = tallies.flatMap((tally) => tally.skipped);
  const sum = (field: 'passed' | 'failed') => tallies.reduce((total, tally) => total + tally[field], 0);
  if (skipped.length > 0) console.log(`\nskipped:\n${skipped.map((name) => `  - ${name}`).join('\n')}`);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${skipped.length} skipped`);
}

process.exitCode = await main(process.argv.slice(2));
