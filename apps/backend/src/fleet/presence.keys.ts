/** Sorted set: node id → milliseconds of its newest heartbeat, of all nodes that are not offline. */
export const LAST_BEAT_KEY = 'presence:last';
/** Set of nodes that Postgres does not hold for online: their next heartbeat has to mend that. */
export const AWAY_KEY = 'presence:away';
/** Set of nodes whose newest heartbeat came over plain HTTP. */
export const HTTP_KEY = 'presence:http';
