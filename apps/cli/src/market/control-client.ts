import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { ControlAnswer, type ControlRequest } from './events.js';

/** Sends one request; gives every answer until the supervisor closes the connection. Throws when nobody listens. */
export async function askSupervisor(path: string, request: ControlRequest): Promise<AsyncIterable<ControlAnswer>> {
  const socket = await open(path);
  socket.write(`${JSON.stringify(request)}\n`);
  return answersOf(socket);
}

async function* answersOf(socket: Socket): AsyncGenerator<ControlAnswer> {
  try {
    for await (const line of createInterface({ input: socket })) yield ControlAnswer.parse(JSON.parse(line));
  } finally {
    socket.destroy();
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.off('error', reject);
      socket.on('error', () => socket.destroy()); // the supervisor died: the lines end
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** True when nobody listens there (yet, or any more). */
export const isNobodyThere = (error: unknown): boolean => error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED');
