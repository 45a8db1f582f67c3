import { Injectable } from '@nestjs/common';
import { COVERED_GAP_S } from '@muster/shared-types';
import { Redis } from '../platform/redis.js';

/** One run of an instance on its node: an older epoch or another node never moves its mark. */
export interface InstanceKey {
  nodeId: string;
  rentalId: string;
  epoch: number;
}

/** `covered`: the mark moved (or was ahead). `missing`: nobody knows. `silent`: the last mark is too long ago; it did not move. */
export type BeatOutcome = { kind: 'covered' } | { kind: 'missing' } | { kind: 'silent'; last: Date };

/** A mark outlives the longest silence after which a rental is given up. */
const KEEP_MS = 24 * 3_600_000;
const COVERED = 0;
const MISSING = -1;

/** Moves each mark to the beat unless the silence before it was long. One round trip for all instances of a node. */
const BEAT = `
local out = {}
for i, key in ipairs(KEYS) do
  local mark = tonumber(redis.call('GET', key) or '-1')
  if mark < 0 then out[i] = -1
  elseif ARGV[1] - mark > tonumber(ARGV[2]) then out[i] = mark
  else
    if tonumber(ARGV[1]) > mark then redis.call('SET', key, ARGV[1], 'PX', ARGV[3]) end
    out[i] = 0
  end
end
return out`;

/** A beat that was judged for long never takes the mark back behind a later one. */
const ADVANCE = `
if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or '-1') then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 0`;

/**
 * Up to which moment each running instance is covered by acknowledged heartbeats: the one fact of billing that lies in
 * Redis and not in Postgres, since it changes every five seconds. Losing it costs nobody money: what is not known to be
 * covered is not settled until it is known again.
 */
@Injectable()
export class CoveredMarks {
  constructor(private readonly redis: Redis) {}

  /** A heartbeat reports these instances running with their tunnels up. Outcomes in the order of the keys. */
  async beat(instances: readonly InstanceKey[], at: Date): Promise<BeatOutcome[]> {
    if (instances.length === 0) return [];
    const args = [at.getTime(), COVERED_GAP_S * 1_000, KEEP_MS].map(String);
    const replies = (await this.redis.client.eval(BEAT, instances.length, ...instances.map(keyOf), ...args)) as number[];
    return replies.map((reply) => {
      if (reply === COVERED) return { kind: 'covered' };
      return reply === MISSING ? { kind: 'missing' } : { kind: 'silent', last: new Date(reply) };
    });
  }

  async set(instance: InstanceKey, at: Date): Promise<void> {
    await this.redis.client.set(keyOf(instance), String(at.getTime()), 'PX', KEEP_MS);
  }

  /** Like `set`, and never backwards. */
  async advance(instance: InstanceKey, at: Date): Promise<void> {
    await this.redis.client.eval(ADVANCE, 1, keyOf(instance), String(at.getTime()), String(KEEP_MS));
  }

  async drop(instances: readonly InstanceKey[]): Promise<void> {
    await this.redis.client.del(...instances.map(keyOf));
  }

  /** By rental id; a rental without an entry is not known. */
  async read(instances: readonly InstanceKey[]): Promise<Map<string, Date>> {
    if (instances.length === 0) return new Map();
    const marks = await this.redis.client.mget(instances.map(keyOf));
    const known = instances.flatMap((instance, index): [string, Date][] => {
      const mark = marks[index];
      return mark == null ? [] : [[instance.rentalId, new Date(Number(mark))]];
    });
    return new Map(known);
  }
}

const keyOf = ({ nodeId, rentalId, epoch }: InstanceKey): string => `cov:${nodeId}:${rentalId}:${epoch}`;
