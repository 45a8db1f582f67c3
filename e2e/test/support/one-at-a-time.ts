import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Runs the work while no other test process of this machine does: markets that start look which ports and bridges are
 * free and take them a moment later. The name in the kernel's abstract socket space is gone with its holder.
 */
export async function oneAtATime<T>(name: string, work: () => Promise<T>): Promise<T> {
  let holder = await hold(`\0muster-test-${name}`);
  while (!holder) {
    await delay(100);
    holder = await hold(`\0muster-test-${name}`);
  }
  try {
    return await work();
  } finally {
    holder.close();
  }
}

function hold(path: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ path }, () => resolve(server));
  });
}
