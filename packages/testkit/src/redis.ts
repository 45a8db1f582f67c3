import { startRedis } from '@muster/local-services';
import { claimServerDir, removeServerDir } from './test-servers.js';

export interface TestRedis {
  url: string;
  port: number;
  /** Ends the server the hard way, as a crash would. The data is gone with it. */
  kill(): Promise<void>;
  /** Starts an empty server again on the same port with the same password. */
  restart(): Promise<void>;
  /** Ends the server and removes what it left. */
  stop(): Promise<void>;
}

/** A real redis-server for one test file, on a free loopback port. */
export async function startTestRedis(): Promise<TestRedis> {
  const dir = await claimServerDir('redis');
  let server = await startRedis({ dir });
  const { url, port } = server;
  return {
    url,
    port,
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    restart: async () => {
      server = await startRedis({ dir, port, password: decodeURIComponent(new URL(url).password) });
    },
    stop: () => removeServerDir(dir),
  };
}
