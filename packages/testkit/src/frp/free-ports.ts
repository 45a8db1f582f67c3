import { createServer } from 'node:net';
import { isPortFree } from '@muster/local-services';

/** Above the kernel's ephemeral ports and beside the ranges that markets of this machine take (20000 to 32699). */
const FIRST_BLOCK = 61_000;
const BLOCKS = 45;
const BLOCK_PORTS = 100;

/**
 * The first of `count` (at most 100) neighbouring ports that are free and stay this process's: other test processes
 * take other blocks, for a name in the kernel's abstract socket space is held until this process ends.
 */
export async function freePortRange(count: number): Promise<number> {
  if (count > BLOCK_PORTS) throw new Error(`at most ${BLOCK_PORTS} ports`);
  const start = Math.floor(Math.random() * BLOCKS);
  for (let step = 0; step < BLOCKS; step += 1) {
    const first = FIRST_BLOCK + ((start + step) % BLOCKS) * BLOCK_PORTS;
    const tried = await Promise.all(Array.from({ length: count }, (_, index) => isPortFree(first + index)));
    if (tried.every(Boolean) && (await holdBlock(first))) return first;
  }
  throw new Error(`no ${count} neighbouring loopback ports are free`);
}

function holdBlock(first: number): Promise<boolean> {
  return new Promise((resolve) => {
    const holder = createServer();
    holder.once('error', () => resolve(false));
    holder.listen({ path: `\0muster-test-ports-${first}` }, () => {
      holder.unref();
      resolve(true);
    });
  });
}
