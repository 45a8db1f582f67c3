import { createServer, type AddressInfo } from 'node:net';

/** Above the kernel's ephemeral ports and beside the ranges that markets of this machine take (20000 to 32699). */
const FIRST_BLOCK = 61_000;
const BLOCKS = 45;
const BLOCK_PORTS = 100;

/** A loopback port that is free now. */
export async function freePort(): Promise<number> {
  const port = await tryListen(0);
  if (port === undefined) throw new Error('no loopback port is free');
  return port;
}

/**
 * The first of `count` (at most 100) neighbouring ports that are free and stay this process's: other test processes
 * take other blocks, for a name in the kernel's abstract socket space is held until this process ends.
 */
export async function freePortRange(count: number): Promise<number> {
  if (count > BLOCK_PORTS) throw new Error(`at most ${BLOCK_PORTS} ports`);
  const start = Math.floor(Math.random() * BLOCKS);
  for (let step = 0; step < BLOCKS; step += 1) {
    const first = FIRST_BLOCK + ((start + step) % BLOCKS) * BLOCK_PORTS;
    const tried = await Promise.all(Array.from({ length: count }, (_, index) => tryListen(first + index)));
    if (tried.every((port) => port !== undefined) && (await holdBlock(first))) return first;
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

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const { port: bound } = server.address() as AddressInfo;
      server.close(() => resolve(bound));
    });
  });
}
