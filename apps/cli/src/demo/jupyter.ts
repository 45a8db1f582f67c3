import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { z } from 'zod';
import { CliError, EXIT } from '../output/exit-codes.js';

const Kernel = z.object({ id: z.string() });
const Message = z.object({
  msg_type: z.string().optional(),
  header: z.object({ msg_type: z.string() }),
  parent_header: z.object({ msg_id: z.string().optional() }),
  content: z.looseObject({ data: z.record(z.string(), z.unknown()).optional() }),
});

/** HTTP status of a path that needs the token. */
export async function statusOf(base: string, token: string | null): Promise<number> {
  const response = await fetch(new URL('/api/kernels', base), { headers: token ? { authorization: `token ${token}` } : {}, redirect: 'manual', signal: AbortSignal.timeout(10_000) });
  await response.arrayBuffer();
  return response.status;
}

/** Jupyter starts after sshd; waits until it answers at all. */
export async function untilServes(base: string, withinMs = 60_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await fetch(new URL('/api', base), { signal: AbortSignal.timeout(3_000) }).catch(() => null);
    if (answer?.ok) return;
    if (Date.now() > deadline) throw new CliError('Jupyter did not answer.', EXIT.timedOut);
    await sleep(200);
  }
}

/** Starts a kernel, runs one line over its WebSocket and returns the text of the result. */
export async function evaluate(base: string, token: string, code: string): Promise<string> {
  const created = await fetch(new URL('/api/kernels', base), { method: 'POST', headers: { authorization: `token ${token}`, 'content-type': 'application/json' }, body: '{}', signal: AbortSignal.timeout(30_000) });
  const kernel = Kernel.parse(await created.json());
  const url = new URL(`/api/kernels/${kernel.id}/channels`, base);
  url.protocol = 'ws:';
  const socket = new WebSocket(url, { headers: { authorization: `token ${token}` } });
  try {
    return await answerOf(socket, code);
  } finally {
    socket.terminate();
  }
}

function answerOf(socket: WebSocket, code: string): Promise<string> {
  const id = randomUUID();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new CliError('The kernel did not answer.', EXIT.timedOut)), 60_000);
    socket.once('error', reject);
    socket.once('open', () => socket.send(JSON.stringify(executeRequest(id, code))));
    socket.on('message', (data) => {
      const message = Message.safeParse(JSON.parse((data as Buffer).toString()));
      if (!message.success || message.data.header.msg_type !== 'execute_result' || message.data.parent_header.msg_id !== id) return;
      clearTimeout(timer);
      resolve(String(message.data.content.data?.['text/plain']));
    });
  });
}

const executeRequest = (id: string, code: string) => ({
  header: { msg_id: id, username: 'muster', session: randomUUID(), msg_type: 'execute_request', version: '5.3', date: new Date().toISOString() },
  parent_header: {},
  metadata: {},
  content: { code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false, stop_on_error: true },
  channel: 'shell',
  buffers: [],
});
