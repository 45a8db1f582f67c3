import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP server on loopback that says `greeting` and then echoes. Stands for whatever a container serves. */
export async function startEcho(greeting = 'hello\n'): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    socket.write(greeting);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { port: (server.address() as AddressInfo).port, close };
}

/** A client connection with everything it has received. */
export class EchoClient {
  received = '';
  closed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => (this.received += chunk.toString()));
    socket.on('error', () => socket.destroy());
    socket.once('close', () => (this.closed = true));
    // A half-closed tunnel is of no use to anybody.
    socket.once('end', () => socket.end());
  }

  /** Resolves once the greeting has come. Undefined when refused, or closed without a byte: "not yet". */
  static async open(port: number, withinMs = 3_000): Promise<EchoClient | undefined> {
    const socket = connect({ port, host: '127.0.0.1' });
    const client = new EchoClient(socket);
    const greeted = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), withinMs);
      const settle = (value: boolean): void => {
        clearTimeout(timer);
        resolve(value);
      };
      socket.once('data', () => settle(true));
      socket.once('close', () => settle(false));
    });
    if (greeted) return client;
    socket.destroy();
    return undefined;
  }

  /** True when `text` comes back in time. */
  async echoes(text: string, withinMs = 5_000): Promise<boolean> {
    const seen = this.received.length;
    this.socket.write(text);
    const deadline = performance.now() + withinMs;
    while (performance.now() < deadline && !this.closed) {
      if (this.received.slice(seen).includes(text)) return true;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return false;
  }

  close(): void {
    this.socket.destroy();
  }
}
