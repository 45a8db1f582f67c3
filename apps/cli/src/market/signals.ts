import type { Market } from './market.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * SIGTERM, a closed terminal, and Ctrl-C without a person end the market like `down --yes`. With a person there, the
 * first Ctrl-C only says which rentals it would end, if any run; the second one does it.
 */
export function takeSignals(market: Market, isTty: boolean): { release(): void } {
  let warned = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signal !== 'SIGINT' || !isTty || warned) return void market.stop();
    warned = true;
    void askOrStop(market);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return { release: () => SIGNALS.forEach((signal) => process.off(signal, onSignal)) };
}

async function askOrStop(market: Market): Promise<void> {
  const rentals = await market.liveRentals().catch(() => null);
  if (rentals?.length === 0) return market.stop();
  market.events.tell({ kind: 'would-end', rentals });
}
