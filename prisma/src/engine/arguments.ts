import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** What the Prisma CLI asks of a schema engine on the command line. */
export interface EngineArguments {
  mode: 'version' | 'can-connect-to-database' | 'create-database' | 'rpc';
  datamodels: [string, string][];
  url: string | undefined;
}

const datasource = z.object({ url: z.string().optional() });
const oneShot = z.enum(['can-connect-to-database', 'create-database']);

export function parseArguments(argv: readonly string[]): EngineArguments {
  const parsed: EngineArguments = { mode: argv.includes('--version') ? 'version' : 'rpc', datamodels: [], url: undefined };
  for (let at = 0; at < argv.length; at += 1) {
    const next = argv[at + 1] ?? '';
    if (argv[at] === '--datamodels') parsed.datamodels.push([next, readFileSync(next, 'utf8')]);
    else if (argv[at] === '--datasource') parsed.url = datasource.parse(JSON.parse(next)).url;
    else if (argv[at] === 'cli') parsed.mode = oneShot.parse(next);
    else continue;
    at += 1;
  }
  return parsed;
}
