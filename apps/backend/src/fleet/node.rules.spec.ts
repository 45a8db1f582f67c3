import { NodeLifecycle, NodeListing, NodePresence, NodeStatus } from '@muster/shared-types';
import { createTestDatabase } from '@muster/testkit';
import { createClient } from '@muster/prisma';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeNode, makeUser } from '../../test/market-fixtures.js';
import { allowedActions, deriveStatus, LIFECYCLE_NEXT, lifecycleAfterPreflight, LISTING_MOVES, mayMove, nothingFree, PRESENCE_NEXT, type ListingVerb, type NodeState } from './node.rules.js';
import { refreshStatus } from './status.store.js';

const FREE = { cpuFree: 4, gpus: 0, gpusFree: 0 };
const FULL = { cpuFree: 0, gpus: 0, gpusFree: 0 };
const states: NodeState[] = NodeLifecycle.options.flatMap((lifecycle) =>
  NodePresence.options.flatMap((presence) => NodeListing.options.map((listing) => ({ lifecycle, presence, listing }))),
);
const isLegalRow = (state: NodeState): boolean => state.lifecycle !== 'retired' || state.listing === 'unlisted';

/** The order of the contract, written out a second way. */
function expected({ lifecycle, presence, listing }: NodeState, full: boolean): NodeStatus {
  if (lifecycle === 'retired' || lifecycle === 'quarantined') return lifecycle;
  if (presence !== 'online') return presence;
  if (listing === 'draining' || listing === 'maintenance') return listing;
  return full ? 'busy' : 'online';
}

describe('derived status', () => {
  it.each(states)('of %o', (state) => {
    expect(deriveStatus(state, FREE)).toBe(expected(state, false));
    expect(deriveStatus(state, FULL)).toBe(expected(state, true));
  });

  it('is the same in SQL', async () => {
    const database = await createTestDatabase();
    const db = createClient({ connectionString: database.url, max: 4 });
    try {
      const ownerId = await makeUser(db);
      for (const gpus of [0, 2]) {
        const id = await makeNode(db, { ownerId, cpu: 4, gpus });
        for (const state of states.filter(isLegalRow)) {
          for (const full of [false, true]) {
            await db.hostNode.update({ where: { id }, data: { ...state, cpuUsed: full && gpus === 0 ? 4 : 0 } });
            await db.gpu.updateMany({ where: { nodeId: id }, data: { state: full ? 'lost' : 'ok' } });
            await db.$transaction((tx) => refreshStatus(tx, [id]));
            expect((await db.hostNode.findUniqueOrThrow({ where: { id } })).status, JSON.stringify({ state, full, gpus })).toBe(expected(state, full));
          }
        }
      }
    } finally {
      await db.$disconnect();
      await database.drop();
    }
  });

  it('calls a node full by its GPUs when it has any, else by its vCPU', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 8 }), fc.nat(8), fc.nat(8), (cpuFree, gpus, free) => {
        const gpusFree = Math.min(free, gpus);
        expect(nothingFree({ cpuFree, gpus, gpusFree })).toBe(gpus > 0 ? gpusFree === 0 : cpuFree <= 0);
      }),
    );
  });
});

describe('transitions', () => {
  it('name only states that exist, and lead out of everything but retirement', () => {
    for (const lifecycle of NodeLifecycle.options) {
      expect(NodeLifecycle.options).toEqual(expect.arrayContaining([...LIFECYCLE_NEXT[lifecycle]]));
      expect(LIFECYCLE_NEXT[lifecycle].includes('retired')).toBe(lifecycle !== 'retired');
    }
    for (const presence of NodePresence.options) expect(PRESENCE_NEXT[presence].includes('online')).toBe(presence !== 'online');
  });

  it('let a preflight move only a node that no person has judged', () => {
    for (const lifecycle of NodeLifecycle.options) {
      for (const passed of [true, false]) {
        const next = lifecycleAfterPreflight(lifecycle, passed);
        const judged = lifecycle === 'quarantined' || lifecycle === 'retired';
        expect(next).toBe(judged ? lifecycle : passed ? 'verified' : 'pending_verification');
      }
    }
  });
});

describe('actions', () => {
  const verbs = Object.keys(LISTING_MOVES) as ListingVerb[];

  it('are those that change something, and none for a retired node', () => {
    for (const state of states) {
      const actions = allowedActions(state);
      if (state.lifecycle === 'retired') expect(actions).toEqual([]);
      else expect(actions).toEqual(expect.arrayContaining(['retire', 'price']));
      for (const verb of verbs) {
        expect(actions.includes(verb)).toBe(mayMove(verb, state));
        if (actions.includes(verb)) expect(LISTING_MOVES[verb].to).not.toBe(state.listing);
      }
    }
  });

  it('put only a verified node on the market', () => {
    for (const state of states) if (mayMove('list', state)) expect(state.lifecycle).toBe('verified');
  });
});
