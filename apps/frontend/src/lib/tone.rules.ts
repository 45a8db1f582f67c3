/** The five colours a state can have; never without its word. */
export type Tone = 'running' | 'starting' | 'attention' | 'failed' | 'offline';

const TONES: Record<Tone, readonly string[]> = {
  running: ['running', 'online', 'busy', 'verified', 'listed', 'pass', 'completed', 'final', 'valid', 'late_valid', 'ready', 'ok', 'delivered', 'available'],
  starting: ['pending', 'starting', 'stopping', 'scheduled', 'verifying', 'registered', 'pending_verification', 'leased', 'reported', 'open', 'queued', 'creating', 'pulling'],
  attention: ['unreachable', 'draining', 'maintenance', 'warn', 'quorum_pending', 'disputed', 'stopped', 'unlisted'],
  failed: ['failed', 'lost', 'quarantined', 'fail', 'errored', 'invalid', 'expired', 'down', 'suspended'],
  offline: ['offline', 'retired', 'ended', 'cancelled', 'unneeded', 'skipped', 'none', 'revoked'],
};

const KNOWN = new Map(Object.entries(TONES).flatMap(([tone, states]) => states.map((state) => [state, tone as Tone] as const)));

/** A word that is not known yet is shown like one that says nothing. */
export const toneOf = (state: string): Tone => KNOWN.get(state) ?? 'offline';
