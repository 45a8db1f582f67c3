import { connect } from 'node:net';

/** A connection that is still open after this long counts as answering when no banner is asked for. */
const STAYS_OPEN_MS = 200;

/** Someone answers on a port: with bytes that start with `banner`, or, without one, with any byte or by staying. */
export function probe(host: string, port: number, banner: string | undefined, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let received = '';
    const settle = (answers: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answers);
    };
    const timer = setTimeout(() => settle(false), timeoutMs);
    socket.on('connect', () => {
      if (banner === undefined) setTimeout(() => settle(true), STAYS_OPEN_MS);
    });
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (banner === undefined || received.length >= banner.length) settle(banner === undefined || received.startsWith(banner));
    });
    socket.on('error', () => settle(false)).on('end', () => settle(false));
  });
}
