import type { Duplex } from 'node:stream';
import { makeProblem } from '@muster/shared-types';

/** What Node could not read as HTTP is answered like everything else, by hand since there is no response object; then the connection ends. */
export function answerUnreadable(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const problem = tooLarge
    ? makeProblem('payload_too_large', { detail: 'Address and headers must be below 16 KiB' })
    : makeProblem('invalid_request', { detail: 'This is not HTTP/1.1' });
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
