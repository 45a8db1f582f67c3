import { Injectable } from '@nestjs/common';
import { PullProgress } from '@muster/shared-types';
import type { z } from 'zod';
import { Redis } from '../platform/redis.js';

type Progress = z.infer<typeof PullProgress>;
const KEEP_S = 120;

/** How far downloads are. Kept in Redis only: it changes often and is worth nothing afterwards. */
@Injectable()
export class Progresses {
  constructor(private readonly redis: Redis) {}

  async note(rentalId: string, progress: Progress): Promise<void> {
    await this.redis.client.set(keyOf(rentalId), JSON.stringify(progress), 'EX', KEEP_S);
  }

  /** By rental id, those that are known. Empty while Redis is away: progress is never worth an error. */
  async read(rentalIds: readonly string[]): Promise<Map<string, Progress>> {
    if (rentalIds.length === 0 || this.redis.client.status !== 'ready') return new Map();
    const texts = await this.redis.client.mget(rentalIds.map(keyOf));
    return new Map(rentalIds.flatMap((id, index): [string, Progress][] => {
      const parsed = PullProgress.safeParse(JSON.parse(texts[index] ?? 'null'));
      return parsed.success ? [[id, parsed.data]] : [];
    }));
  }
}

const keyOf = (rentalId: string): string => `progress:${rentalId}`;
