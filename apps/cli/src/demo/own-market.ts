import { run } from '../commands/ssh.js';
import type { CliContext } from '../context.js';
import { readCredentials } from '../credentials.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Ran, runTool } from './tools.js';

const UP_MS = 10 * 60_000;

/** A market that a story may use is there. */
export async function isUp({ config }: CliContext): Promise<boolean> {
  if (config.url) return true;
  const known = await readCredentials(config.home);
  if (!known) return false;
  const answer = await fetch(new URL('/ready', known.url), { signal: AbortSignal.timeout(3_000) }).catch(() => null);
  return answer?.ok ?? false;
}

const ownProgram = (): string => process.argv[1] ?? '';

/** A command of ours that must succeed; what it says is seen unless the story is told as JSON. */
export async function runSelf({ io }: CliContext, args: readonly string[], hint: string): Promise<void> {
  const code = io.json ? (await tellSelf(args)).code : await run(process.execPath, [ownProgram(), ...args]);
  if (code !== 0) throw new CliError(`muster ${args.join(' ')} ended with ${code}.`, EXIT.failed, hint);
}

/** The same, with its output taken. */
export const tellSelf = (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ran> => runTool(process.execPath, [ownProgram(), ...args], { timeoutMs: UP_MS, ...(env && { env }) });
