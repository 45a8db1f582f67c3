import { Injectable } from '@nestjs/common';
import { LIVE_LIMITS, type LiveFrame } from '@muster/shared-types';
import { Redis } from '../platform/redis.js';

/** Redis channel (under the market's prefix) that carries every frame that somebody may be listening for. */
export const FRAMES_CHANNEL = 'live-frames';

/**
 * A room in Redis: the number of its newest frame, the last frames, and the newest state of each thing told of. All three
 * live as long as somebody listens, and two minutes longer; a room that is not there has no listener and none that may come
 * back, so what is published to it is dropped. Numbers begin at the time in milliseconds: after a loss of Redis they go on
 * above all that were given before, and nobody takes a new frame for one it has.
 */
const PUBLISH = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[1] ~= '' then
  if redis.call('HGET', KEYS[3], ARGV[1]) == ARGV[4] then return 0 end
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end
local seq = redis.call('INCR', KEYS[1])
local frame = ARGV[2] .. string.format('%.0f', seq) .. ARGV[3] .. ARGV[4] .. '}'
redis.call('RPUSH', KEYS[2], frame)
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[5]), -1)
redis.call('PEXPIRE', KEYS[2], ARGV[6])
redis.call('PUBLISH', ARGV[7], frame)
return seq`;

const OPEN = `
if redis.call('EXISTS', KEYS[1]) == 0 then
  local now = redis.call('TIME')
  redis.call('DEL', KEYS[2], KEYS[3])
  redis.call('SET', KEYS[1], string.format('%.0f', tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)))
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
local seq = redis.call('GET', KEYS[1])
if ARGV[1] == '' then return { seq, 0, {} } end
local missing = tonumber(seq) - tonumber(ARGV[1])
if missing < 0 or missing > redis.call('LLEN', KEYS[2]) then return { seq, 0, {} } end
if missing == 0 then return { seq, 1, {} } end
return { seq, 1, redis.call('LRANGE', KEYS[2], -missing, -1) }`;

export interface Opened {
  /** Number of the newest frame. */
  seq: number;
  /** Whether `frames` are all that came after `since`. */
  covered: boolean;
  frames: LiveFrame[];
}

export interface Publication {
  room: string;
  event: string;
  at: Date;
  /** JSON. */
  data: string;
  /** What this is the present state of; told again unchanged, it is no news. Absent for what is worth telling each time. */
  subject?: string;
}

@Injectable()
export class Ring {
  constructor(private readonly redis: Redis) {}

  /** True when the frame went out; false when nobody can be listening, or it is no news. Rejects while Redis is away. */
  async publish({ room, event, at, data, subject }: Publication): Promise<boolean> {
    const head = `{"room":${JSON.stringify(room)},"seq":`;
    const middle = `,"at":${JSON.stringify(at.toISOString())},"event":${JSON.stringify(event)},"data":`;
    const args = [subject ?? '', head, middle, data, LIVE_LIMITS.ringFrames, LIVE_LIMITS.ringMs, this.redis.channel(FRAMES_CHANNEL)];
    return Number(await this.redis.client.eval(PUBLISH, 3, ...keysOf(room), ...args)) > 0;
  }

  /** Keeps the room alive, and reads what came after `since`. Rejects while Redis is away. */
  async open(room: string, since?: number): Promise<Opened> {
    const [seq, covered, frames] = (await this.redis.client.eval(OPEN, 3, ...keysOf(room), since ?? '', LIVE_LIMITS.ringMs)) as [string, number, string[]];
    return { seq: Number(seq), covered: covered === 1, frames: frames.map((text) => JSON.parse(text) as LiveFrame) };
  }
}

/** One hash slot per room, for a Redis cluster. */
const keysOf = (room: string): [string, string, string] => [`live:{${room}}:seq`, `live:{${room}}:ring`, `live:{${room}}:state`];
