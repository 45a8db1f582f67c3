import type { NodeLifecycle, NodeListing, NodePresence, NodeStatus, NodeView } from '@muster/shared-types';

/**
 * A node's state is three columns that move on their own:
 *
 *   lifecycle  registered → pending_verification ⇄ verified → quarantined | retired
 *   presence   online → unreachable (15 s) → offline (120 s) → online (a heartbeat)
 *   listing    unlisted ⇄ listed → draining → unlisted | listed, and maintenance
 *
 * `status` is one word derived from them for people, never decided on its own.
 */
export interface NodeState {
  lifecycle: NodeLifecycle;
  presence: NodePresence;
  listing: NodeListing;
}

/** What is still free on a node. `gpus` counts devices, `gpusFree` those that work and that nobody holds. */
export interface FreeCapacity {
  cpuFree: number;
  gpus: number;
  gpusFree: number;
}

/** Most severe first. The first line that holds names the node; the SQL of `status.store.ts` is built from this too. */
export const SEVERITY = [
  { column: 'lifecycle', value: 'retired', status: 'retired' },
  { column: 'lifecycle', value: 'quarantined', status: 'quarantined' },
  { column: 'presence', value: 'offline', status: 'offline' },
  { column: 'presence', value: 'unreachable', status: 'unreachable' },
  { column: 'listing', value: 'draining', status: 'draining' },
  { column: 'listing', value: 'maintenance', status: 'maintenance' },
] as const satisfies readonly { column: keyof NodeState; value: string; status: NodeStatus }[];

export function deriveStatus(state: NodeState, free: FreeCapacity): NodeStatus {
  const severe = SEVERITY.find(({ column, value }) => state[column] === value);
  if (severe) return severe.status;
  return nothingFree(free) ? 'busy' : 'online';
}

/** A node with GPUs is full when none of them is free; one without, when no vCPU is. */
export function nothingFree(free: FreeCapacity): boolean {
  return free.gpus > 0 ? free.gpusFree === 0 : free.cpuFree <= 0;
}

/** Which lifecycle may follow which. `verified` falls back when the machine no longer passes a required check. */
export const LIFECYCLE_NEXT: Record<NodeLifecycle, readonly NodeLifecycle[]> = {
  registered: ['pending_verification', 'retired'],
  pending_verification: ['verified', 'quarantined', 'retired'],
  verified: ['pending_verification', 'quarantined', 'retired'],
  quarantined: ['pending_verification', 'retired'],
  retired: [],
};

/** Where the newest preflight puts a node. Quarantine and retirement are decided by people and stay. */
export function lifecycleAfterPreflight(lifecycle: NodeLifecycle, passed: boolean): NodeLifecycle {
  if (lifecycle === 'quarantined' || lifecycle === 'retired') return lifecycle;
  return passed ? 'verified' : 'pending_verification';
}

/** Which presence may follow which; a silent node gets worse step by step, a heartbeat mends all. */
export const PRESENCE_NEXT: Record<NodePresence, readonly NodePresence[]> = {
  online: ['unreachable', 'offline'],
  unreachable: ['online', 'offline'],
  offline: ['online'],
};

export type NodeAction = NodeView['actions'][number];

interface ListingMove {
  from: readonly NodeListing[];
  to: NodeListing;
}

/** What the owner's verbs do to `listing`. Asking for what is already so is answered as done. */
export const LISTING_MOVES = {
  list: { from: ['unlisted', 'draining', 'maintenance'], to: 'listed' },
  unlist: { from: ['listed', 'draining', 'maintenance'], to: 'unlisted' },
  drain: { from: ['listed', 'unlisted', 'maintenance'], to: 'draining' },
} as const satisfies Record<string, ListingMove>;
export type ListingVerb = keyof typeof LISTING_MOVES;

/** What the owner may do now. */
export function allowedActions(state: NodeState): NodeAction[] {
  if (state.lifecycle === 'retired') return [];
  const verbs = (Object.keys(LISTING_MOVES) as ListingVerb[]).filter((verb) => mayMove(verb, state));
  return [...verbs, 'retire', 'price'];
}

/** True when the verb changes something now. Only a verified node may be put on the market. */
export function mayMove(verb: ListingVerb, state: NodeState): boolean {
  if (state.lifecycle === 'retired') return false;
  if (verb === 'list' && state.lifecycle !== 'verified') return false;
  const from: readonly NodeListing[] = LISTING_MOVES[verb].from;
  return from.includes(state.listing);
}
