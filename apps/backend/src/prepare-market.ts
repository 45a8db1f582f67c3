import { readFile } from 'node:fs/promises';
import { ConfigError, type Config } from './config.js';
import type { Db, Tx } from './platform/db.js';
import { newId } from './platform/ids.js';
import { withTx } from './platform/tx.js';

export interface PreparedMarket {
  cluster_id: string;
  tunnel_server_id: string;
  /** Public ports of that server. */
  tunnel_ports: number;
}

/** The market's own rows: its identity, its tunnel server and one row per public port. Changes nothing that is right already. */
export async function prepareMarket(db: Db, config: Config, now: Date): Promise<PreparedMarket> {
  const caPem = config.tunnel.caFile === undefined ? '' : await readCa(config.tunnel.caFile);
  return await withTx(db, async (tx) => {
    await lockBootstrap(tx);
    await tx.controlPlane.createMany({ data: [{ id: 1, clusterId: newId(), aliveAt: now }], skipDuplicates: true });
    const { clusterId } = await tx.controlPlane.findUniqueOrThrow({ where: { id: 1 } });
    const tunnelServerId = await tunnelServer(tx, config, caPem);
    return { cluster_id: clusterId, tunnel_server_id: tunnelServerId, tunnel_ports: await portRows(tx, config, tunnelServerId) };
  });
}

async function readCa(file: string): Promise<string> {
  const pem = await readFile(file, 'utf8').catch((error: Error) => {
    throw new ConfigError(`MUSTER_TUNNEL_CA_FILE: cannot be read (${error.message})`);
  });
  if (!pem.includes('BEGIN CERTIFICATE')) throw new ConfigError(`MUSTER_TUNNEL_CA_FILE: ${file} holds no PEM certificate`);
  return pem;
}

/** The row is known by its name. An empty CA never overwrites one that is there. */
async function tunnelServer(tx: Tx, { tunnel }: Config, caPem: string): Promise<string> {
  const { name, id, publicHost, probeHost, frpsPort, firstPort, lastPort } = tunnel;
  const fields = { publicHost, probeHost, frpsPort, firstPort, lastPort };
  const row = await tx.tunnelServer.upsert({
    where: { name },
    create: { id: id ?? newId(), name, ...fields, caPem },
    update: { ...fields, ...(caPem === '' ? {} : { caPem }) },
  });
  return row.id;
}

/** Ports outside a range that was narrowed go once nobody holds them. Returns how many ports there are. */
async function portRows(tx: Tx, { tunnel }: Config, tunnelServerId: string): Promise<number> {
  await tx.$executeRaw`
    INSERT INTO "TunnelPort" ("tunnelServerId", port)
    SELECT ${tunnelServerId}::uuid, port FROM generate_series(${tunnel.firstPort}::int, ${tunnel.lastPort}::int) AS port
    ON CONFLICT DO NOTHING`;
  const outside = { OR: [{ port: { lt: tunnel.firstPort } }, { port: { gt: tunnel.lastPort } }] };
  await tx.tunnelPort.deleteMany({ where: { tunnelServerId, rentalId: null, ...outside } });
  return await tx.tunnelPort.count({ where: { tunnelServerId } });
}

/** Two of us at once: the second waits and then finds everything made. */
export async function lockBootstrap(tx: Tx): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('muster-bootstrap', 0))`;
}
