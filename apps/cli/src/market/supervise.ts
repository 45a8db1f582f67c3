import { EXIT, failureOf, type ExitCode } from '../output/exit-codes.js';
import { serveControl } from './control-server.js';
import type { MarketEvent } from './events.js';
import { layoutOf, makeFolders } from './layout.js';
import { takeLock } from './lock.js';
import { rotateLogs } from './log-rotation.js';
import { Market, type MarketOptions } from './market.js';
import { takeSignals } from './signals.js';

export interface SuperviseOptions extends MarketOptions {
  onEvent(event: MarketEvent): void;
  /** A person can press Ctrl-C a second time. */
  isTty: boolean;
}

/** Runs the market until it is stopped. Undefined when another process already does. */
export async function supervise(options: SuperviseOptions): Promise<ExitCode | undefined> {
  const layout = layoutOf(options.config.home);
  await makeFolders(layout);
  const lock = await takeLock(layout.lock);
  if (!lock) return undefined;
  const market = new Market(options);
  market.events.follow(options.onEvent, true);
  const control = await serveControl(layout.socket, market);
  const logs = rotateLogs([layout.log, layout.postgres, layout.redis], () => undefined); // tried again at the next look
  const signals = takeSignals(market, options.isTty);
  try {
    return await untilEnded(market);
  } finally {
    signals.release();
    logs.stop();
    await control.close();
    await lock.release();
  }
}

async function untilEnded(market: Market): Promise<ExitCode> {
  try {
    await market.start();
  } catch (error) {
    return giveUp(market, error);
  }
  await market.ended;
  return EXIT.ok;
}

/**
 * A market that cannot come up goes away again. One that was found running is left as it is instead: rentals may run,
 * and what still serves them is worth more than order.
 */
async function giveUp(market: Market, error: unknown): Promise<ExitCode> {
  if (market.state === 'stopping') {
    await market.stop();
    return EXIT.ok;
  }
  const failure = failureOf(error);
  market.events.tell({ kind: 'failed', message: failure.message, ...(failure.hint && { hint: failure.hint }), exit_code: failure.exit_code });
  if (market.foundRunning) market.leave();
  else await market.stop();
  return failure.exit_code;
}
