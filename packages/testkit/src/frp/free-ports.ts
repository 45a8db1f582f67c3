import { createServer, type AddressInfo } from 'node:net';

/** A loopback port that is free now. */
export async function freePort(): Promise<number> {
  const port = await tryListen(0);
  if (port === undefined) throw new Error('no loopback port is free');
  return port;
}

/** The first of `count` neighbouring free ports below the kernel's ephemeral range; concurrent test files start at random places. */
export async function freePortRange(count: number): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const first = 20_000 + Math.floor(Math.random() * (10_000 - count));
    const ports = Array.from({ length: count }, (_, index) => first + index);
    const tried = await Promise.all(ports.map(tryListen));
    if (tried.every((port) => port !== undefined)) return first;
  }
  throw new Error(`no ${count} neighbouring loopback ports are free`);
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
