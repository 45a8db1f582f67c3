import { connect } from 'node:net';
import ssh2 from 'ssh2';

export interface Door {
  host: string;
  port: number;
}

/** One attempt; a door that does nothing is given up after this. */
const ATTEMPT_MS = 3_000;
/** A plain port answers when it speaks, or keeps a connection open for this long: frps accepts before frpc serves, and then hangs up. */
const HOLDS_MS = 700;

/** True when the server behind the door proves this very host key in a whole SSH key exchange. Nobody logs in. */
export function provesHostKey(door: Door, hostKey: string, signal: AbortSignal): Promise<boolean> {
  const wanted = Buffer.from(hostKey.split(' ')[1] ?? '', 'base64');
  const client = new ssh2.Client();
  return new Promise<boolean>((resolve) => {
    const done = (proven: boolean): void => {
      signal.removeEventListener('abort', onAbort);
      client.destroy();
      resolve(proven);
    };
    const onAbort = (): void => done(false);
    signal.addEventListener('abort', onAbort, { once: true });
    // `handshake` comes after the signature over the exchange was verified with the key that hostVerifier saw.
    client.once('handshake', () => done(true));
    client.on('error', () => done(false));
    client.once('close', () => done(false));
    client.connect({
      ...door,
      username: 'muster-probe',
      readyTimeout: ATTEMPT_MS,
      hostVerifier: (key: Buffer) => key.equals(wanted),
      algorithms: { serverHostKey: ['ssh-ed25519'] },
      authHandler: () => false,
    });
  });
}

/** True when something serves the port. */
export function answers(door: Door, signal: AbortSignal): Promise<boolean> {
  return new Promise<boolean>((resolve) => {
    const socket = connect(door);
    const done = (served: boolean): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(served);
    };
    const onAbort = (): void => done(false);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.setTimeout(ATTEMPT_MS, () => done(false));
    socket.once('connect', () => setTimeout(() => done(!socket.destroyed && socket.readable), HOLDS_MS).unref());
    socket.once('data', () => done(true));
    socket.once('end', () => done(false));
    socket.once('error', () => done(false));
  });
}
