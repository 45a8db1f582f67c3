import type Docker from 'dockerode';
import { statusOf } from './faults.js';
import { gatewayOf } from './ipv4.rules.js';
import type { EngineConfig } from './types.js';

export const networkName = (config: EngineConfig): string => `muster-${config.bridge}`;

/** Docker network of instances: the default one of our own engine, or one of our own, on our bridge, in an external engine. */
export async function ensureNetwork(docker: Docker, config: EngineConfig): Promise<string> {
  if (config.externalHost === undefined) return 'bridge';
  const name = networkName(config);
  try {
    await docker.getNetwork(name).inspect();
    return name;
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  await docker.createNetwork({
    Name: name,
    Driver: 'bridge',
    EnableIPv6: false,
    IPAM: { Driver: 'default', Config: [{ Subnet: config.subnet, Gateway: gatewayOf(config.subnet).address }] },
    Options: { 'com.docker.network.bridge.name': config.bridge, 'com.docker.network.bridge.enable_icc': 'false' },
  });
  return name;
}

/** Takes our network, and with it its bridge, out of an external engine. */
export async function removeNetwork(docker: Docker, config: EngineConfig): Promise<void> {
  try {
    await docker.getNetwork(networkName(config)).remove();
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
}
