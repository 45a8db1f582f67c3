import { setTimeout as sleep } from 'node:timers/promises';
import type { AckOf, Payload } from '@muster/shared-types';
import type { Engine } from '../docker/types.js';

const LOOK_EVERY_MS = 500;
const MAX_TEXT = 1_000_000;

/** What an instance printed, as asked. Who follows and has everything waits here for more. */
export async function logsOf(engine: Pick<Engine, 'logs'>, request: Payload<'log_request'>): Promise<AckOf<'log_request'>> {
  const { rental_id: rentalId, tail_lines: lines, after, wait_ms: waitMs = 0 } = request;
  const end = performance.now() + waitMs;
  let found = await engine.logs(rentalId, lines, after);
  while (after !== undefined && found.text === '' && !found.gap && performance.now() < end) {
    await sleep(LOOK_EVERY_MS);
    found = await engine.logs(rentalId, lines, after);
  }
  return { ok: true, text: found.text.slice(-MAX_TEXT), truncated: found.truncated, cursor: found.cursor, gap: found.gap };
}
