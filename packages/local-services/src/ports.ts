import { createServer } from 'node:net';

/**
 * Below the ephemeral range of Linux (32768+), so that no outgoing connection takes a port between the
 * check and its use, and away from the range that public tunnels use (20000–29999).
 */
const FIRST_PORT = 10_500;
const LAST_PORT = 19_999;
const TRIES = 200;

/** Ports already given out by this process: two callers in a row never get the same one. */
const given = new Set<number>();

/** A TCP port that nothing listens on, on any address of this machine. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1));
    if (!given.has(port) && (await isPortFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`no free TCP port found between ${FIRST_PORT} and ${LAST_PORT}`);
}

/** Whether a server could listen on this TCP port now, on every address. */
export function isPortFree(port: number, host = '0.0.0.0'): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
