import type { Tx } from '../platform/db.js';
import { freePorts, takePorts, type PortClaim } from './ports.store.js';

/**
 * Claims public ports for a rental in its own transaction: container port → public port. Null when the tunnel server has
 * too few free; the caller then rolls back.
 */
export async function claimPorts(tx: Tx, claim: PortClaim): Promise<Record<string, number> | null> {
  const taken = await takePorts(tx, claim);
  return taken ? Object.fromEntries([...taken].map(([container, port]) => [String(container), port])) : null;
}

/** Gives a rental's ports back. Nobody gets them before `restUntil`: longer than a tunnel token lives. */
export async function releasePorts(tx: Tx, rentalId: string, restUntil: Date): Promise<void> {
  await freePorts(tx, rentalId, restUntil);
}
