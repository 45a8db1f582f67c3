import type { Logger } from 'pino';
import type { Connection } from './connection.js';

const REPEAT_FOR_MS = 10_000;
const REPEAT_AFTER_MS = 250;

/** Says goodbye until the market takes it, will not have it, or has put it off for ten seconds. */
export async function sayGoodbye(connection: Pick<Connection, 'send' | 'proven'>, nodeId: string, reason: string, log: Logger): Promise<void> {
  const end = performance.now() + REPEAT_FOR_MS;
  try {
    while (connection.proven) {
      const ack = await connection.send('goodbye', { node_id: nodeId, reason });
      if (ack.ok) return;
      const over = !ack.problem.retryable || performance.now() + REPEAT_AFTER_MS > end;
      log.warn({ code: ack.problem.code, over }, 'the market did not take the goodbye');
      if (over) return;
      await new Promise((resolve) => setTimeout(resolve, REPEAT_AFTER_MS));
    }
  } catch (error) {
    log.warn({ err: error }, 'goodbye was not answered');
  }
}
