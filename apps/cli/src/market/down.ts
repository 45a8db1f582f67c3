import { confirm, isCancel } from '@clack/prompts';
import { waitFor } from '@muster/local-services';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { askSupervisor, isNobodyThere } from './control-client.js';
import { serveControl } from './control-server.js';
import type { LiveRental } from './events.js';
import { type Layout, layoutOf } from './layout.js';
import { isAnythingLeft } from './leftovers.js';
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
async function mayEnd({ io }: CliContext, rentals: readonly LiveRental[] | null): Promise<void> {
  if (rentals === null) throw unknownRentals();
  const count = rentals.length === 1 ? '1 rental' : `${rentals.length} rentals`;
  sayRentals(io, rentals, 'would end');
  const answer = io.isTty && !io.json ? await confirm({ message: `End ${count} and stop the market?`, initialValue: false }) : undefined;
  if (answer === true) return;
  const hint = answer === undefined ? 'End them and stop with: muster down --yes' : 'Nothing was stopped.';
  throw new CliError(isCancel(answer) || answer === false ? 'not stopped' : `${count} would end (${rentals.map(({ id }) => id).join(', ')})`, EXIT.refused, hint);
}

const unknownRentals = (cause?: unknown): CliError =>
  new CliError('it cannot be said whether rentals run here: the database does not answer', EXIT.failed, 'Stop all the same with: muster down --yes', { cause });

/** Refusing leaves everything as it runs. */
async function mayStop(context: CliContext, market: Market, force: boolean): Promise<void> {
  if (force) return;
  try {
    const rentals = await market.liveRentals();
    if (rentals.length > 0) await mayEnd(context, rentals);
  } catch (error) {
    market.leave();
    if (error instanceof CliError) throw error;
    throw unknownRentals(error);
  }
}

/** A killed supervisor left parts behind: everything is brought up once more, so that it can be ended in order. */
async function clearUp(context: CliContext, layout: Layout, force: boolean): Promise<boolean> {
  if (!(await isAnythingLeft(layout))) return false;
  const lock = await takeLock(layout.lock);
  if (!lock) throw new CliError('another command brings the market up or down right now', EXIT.refused, 'Try again in some seconds');
  const market = new Market({ config: context.config, apiPort: undefined, withAgent: true });
  const control = await serveControl(layout.socket, market);
  try {
    await bringInOrder(context, market);
    await mayStop(context, market, force);
    await market.stop();
    return true;
  } finally {
    await control.close();
    await lock.release();
  }
}

async function bringInOrder({ io }: CliContext, market: Market): Promise<void> {
  say(io, 'The supervisor is gone but parts are left; they are brought in order first.');
  market.events.follow((event) => sayEvent(io, event), true);
  await market.start().catch((error: unknown) => say(io, `${io.paint.yellow('!')} ${error instanceof Error ? error.message : String(error)}`));
}
