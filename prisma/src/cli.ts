import { migrateDeploy } from './migrate.js';
import { runPrisma } from './prisma-cli.js';

const USAGE = `usage: node prisma/dist/cli.js COMMAND
  generate                      make the client's source from schema.prisma
  migrate deploy                make the database when missing and apply every migration
  migrate status                say which migrations are applied
  migrate dev --name NAME       write the next migration from schema.prisma and apply it
  migrate diff ARGS…            as of Prisma
DATABASE_URL names the database, e.g. postgresql://muster:secret@127.0.0.1:5432/muster`;

const PASSED_ON = ['dev', 'diff', 'status', 'resolve', 'reset'];

async function main(argv: readonly string[], databaseUrl: string | undefined): Promise<number> {
  const [command, action = ''] = argv;
  if (command === 'generate') return (await runPrisma({ args: argv, interactive: true })).exitCode;
  if (command !== 'migrate' || !(action === 'deploy' || PASSED_ON.includes(action))) return refuse(USAGE);
  if (!databaseUrl) return refuse(`DATABASE_URL is missing.\n${USAGE}`);
  if (action !== 'deploy') return (await runPrisma({ args: argv, databaseUrl, interactive: true })).exitCode;
  return deploy(databaseUrl);
}

async function deploy(databaseUrl: string): Promise<number> {
  try {
    await migrateDeploy(databaseUrl);
    process.stdout.write('the database is up to date\n');
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function refuse(words: string): number {
  process.stderr.write(`${words}\n`);
  return 2;
}

process.exitCode = await main(process.argv.slice(2), process.env['DATABASE_URL']);
