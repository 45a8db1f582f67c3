import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../commands/ssh.js';
import type { CliContext } from '../context.js';
import { readCredentials } from '../credentials.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { sayJson } from '../output/io.js';
import { type Ran, runTool } from './tools.js';
import { Transcript } from './transcript.js';

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

/** Tells a story in a folder of its own, as a transcript or as one JSON document; takes the market down afterwards when `takeDown`. */
export async function tellStory(context: CliContext, takeDown: boolean, tell: (transcript: Transcript, folder: string) => Promise<object>): Promise<void> {
  const { io } = context;
  const transcript = new Transcript(io);
  const folder = await mkdtemp(join(tmpdir(), 'muster-demo-'));
  try {
    const figures = await tell(transcript, folder);
    if (io.json) sayJson(io, { ok: true, steps: transcript.steps, figures });
  } catch (error) {
    if (io.json) sayJson(io, { ok: false, steps: transcript.steps });
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
    if (takeDown) await runSelf(context, ['down', '--yes'], 'See what is left with: muster status');
  }
}
