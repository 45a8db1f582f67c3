import Docker from 'dockerode';
import { enginePaths } from './engine-paths.js';
import type { EngineConfig } from './types.js';

/**
 * Client of the configured engine. Paths carry no API version, so each engine from 20.10 to 29 answers in its own newest.
 * Only `unix://` sockets: disks and address of an instance must be on this machine.
 */
export function dockerAt(config: EngineConfig): Docker {
  if (config.externalHost === undefined) return new Docker({ socketPath: enginePaths(config).socket });
  const socketPath = /^unix:\/\/(\/.+)$/.exec(config.externalHost)?.[1];
  if (socketPath === undefined) throw new Error(`MUSTER_DOCKER_HOST must be a socket on this machine such as unix:///var/run/docker.sock, not ${config.externalHost}`);
  return new Docker({ socketPath });
}
