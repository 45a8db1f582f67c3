import { readFile, writeFile } from 'node:fs/promises';
import { openApiDocument } from './openapi.js';

/** `openapi-file.js write | check`: keeps the committed document equal to the catalogue of operations. */
const FILE = new URL('../../../docs/openapi.json', import.meta.url);

async function main(action: string | undefined): Promise<number> {
  const text = `${JSON.stringify(openApiDocument(), null, 2)}\n`;
  if (action === 'write') {
    await writeFile(FILE, text);
    return 0;
  }
  if ((await readFile(FILE, 'utf8').catch(() => '')) === text) return 0;
  process.stderr.write('docs/openapi.json is not what the code says. Run: pnpm --filter @muster/backend openapi:write\n');
  return 1;
}

process.exitCode = await main(process.argv[2]);
