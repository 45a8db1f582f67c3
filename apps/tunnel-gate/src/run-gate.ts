import type { Logger } from 'pino';
import { linkBackend } from './backend-link.js';
import type { GateConfig } from './config.js';
import { Gate } from './gate.js';
import { listen } from './server.js';
import { Table } from './table.js';
import { TableFile } from './table-file.js';

export interface RunningGate {
  port: number;
  issuer: string;
  stop(): Promise<void>;
}

/** Boot order: the table from disk, then the listener (frps may ask at once), then the backend. */
export async function runGate(config: GateConfig, log: Logger): Promise<RunningGate> {
  const table = new Table();
  const file = new TableFile(config.stateDir, log);
  await file.load(table);
  let boundPort = config.port;
  let backendConnected = (): boolean => false;
  const issuer = (): string => config.issuer ?? `http://127.0.0.1:${boundPort}`;
  const gate = new Gate(table, issuer, log);
  const server = await listen({ gate, table, issuer, backendConnected: () => backendConnected() }, config.port);
  boundPort = server.port;
  const link = linkBackend({ url: config.backendUrl, secret: config.secret, tunnelServerId: config.tunnelServerId, table, file, log });
  backendConnected = link.connected;
  log.info({ port: server.port, issuer: issuer(), version: table.version, nodes: table.size }, 'tunnel gate ready');
  return {
    port: server.port,
    issuer: issuer(),
    stop: async () => {
      link.close();
      await server.close();
      await file.settled();
    },
  };
}
