import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { confirm, isCancel } from '@clack/prompts';
import { processesIn, waitFor } from '@muster/local-services';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { findChildren } from './child.js';
import { askSupervisor, isNobodyThere } from './control-client.js';
import type { LiveRental } from './events.js';
import { type Layout, layoutOf } from './layout.js';
import { lockHolder, takeLock } from './lock.js';
import { Market } from './market.js';
import { sayEvent, sayRentals } from './render.js';

const EXIT_MS = 15_000;

export interface DownOptions {
  yes: boolean;
}

/** `muster down`: asks the running supervisor; without one it puts right what a killed one left. */
export async function down(context: CliContext, options: DownOptions): Promise<void> {
  const { io } = context;
  const layout = layoutOf(context.config.home);
  const outcome = await askToStop(context, layout, options.yes);
  const ended = outcome === 'stopped' || (await clearUp(context, layout, options.yes));
  if (io.json) return sayJson(io, { stopped: ended });
  if (!ended) say(io, 'Nothing runs here.');
}

async function askToStop(context: CliContext, layout: Layout, force: boolean): Promise<'stopped' | 'nobody'> {
  const { io } = context;
  try {
    for await (const answer of await askSupervisor(layout.socket, { command: 'down', force })) {
      if (answer.kind === 'refused') return (await mayEnd(context, answer.rentals), await askToStop(context, layout, true));
      if (answer.kind !== 'status') sayEvent(io, answer);
      if (answer.kind === 'stopped') return await untilGone(layout);
    }
  } catch (error) {
    if (!isNobodyThere(error)) throw error;
  }
  if (await lockHolder(layout.lock)) throw new CliError('the supervisor does not answer', EXIT.timedOut, `Its log: ${layout.log}/supervisor.log`);
  return 'nobody';
}

async function untilGone(layout: Layout): Promise<'stopped'> {
  await waitFor(async () => (await lockHolder(layout.lock)) === undefined, { deadlineMs: EXIT_MS, what: 'the supervisor to end' });
  return 'stopped';
}

/** Asks a person; refuses where there is none. */
async function mayEnd({ io }: CliContext, rentals: readonly LiveRental[]): Promise<void> {
  const count = rentals.length === 1 ? '1 rental' : `${rentals.length} rentals`;
  sayRentals(io, rentals, 'would end');
  const answer = io.isTty && !io.json ? await confirm({ message: `End ${count} and stop the market?`, initialValue: false }) : undefined;
  if (answer === true) return;
  const hint = answer === undefined ? 'End them and stop with: ./muster down --yes' : 'Nothing was stopped.';
  throw new CliError(isCancel(answer) || answer === false ? 'not stopped' : `${count} would end (${rentals.map(({ id }) => id).join(', ')})`, EXIT.refused, hint);
}

/** A killed supervisor left parts behind: everything is brought up once more, so that it can be ended in order. */
async function clearUp(context: CliContext, layout: Layout, force: boolean): Promise<boolean> {
  if (!(await isAnythingLeft(layout))) return false;
  const lock = await takeLock(layout.lock);
  if (!lock) throw new CliError('another command brings the market up or down right now', EXIT.refused, 'Try again in some seconds');
  const { io, config } = context;
  try {
    say(io, 'The supervisor is gone but parts are left; they are brought in order first.');
    const market = new Market({ config, apiPort: undefined, withAgent: true });
    market.events.follow((event) => sayEvent(io, event), true);
    await market.start().catch((error: unknown) => say(io, `${io.paint.yellow('!')} ${error instanceof Error ? error.message : String(error)}`));
    const rentals = force ? [] : await market.liveRentals().catch(() => []);
    if (rentals.length > 0) await mayEnd(context, rentals);
    await market.stop();
    return true;
  } finally {
    await lock.release();
  }
}

/** Processes of ours, or a file system of the agent's engine. */
async function isAnythingLeft(layout: Layout): Promise<boolean> {
  const servers = await Promise.all([layout.postgres, layout.redis].map((dir) => processesIn(join(dir, 'data'))));
  if (servers.flat().length > 0 || (await findChildren(layout.home)).length > 0) return true;
  return (await readFile('/proc/self/mounts', 'utf8')).includes(` ${layout.agent}/`);
}
