import { describe, expect, it } from 'vitest';
import { layoutOf } from './layout.js';
import { agentEnv, localHosts, ownerEmail } from './local-host.js';
import type { Settings } from './settings.js';

const layout = layoutOf('/home/of/market');
const settings = (nodes: number): Settings => ({
  ports: { api: 1, postgres: 2, redis: 3, gate: 4, frps: 5, frps_admin: 6, tunnel_first: 7, tunnel_last: 8 },
  bridge: 'mst7', subnet: '10.220.0.0/16', nodes, owners: 2, pool_gb: 12,
  further_nodes: [{ number: 2, bridge: 'mst8', subnet: '10.221.0.0/16', owner: 2 }, { number: 3, bridge: 'mst9', subnet: '10.222.0.0/16', owner: 1 }],
});
const envOf = (nodes: number, number: number, handedOn: Record<string, string> = {}): Record<string, string> => {
  const host = localHosts(layout, settings(nodes)).find((one) => one.number === number);
  if (!host) throw new Error(`no node ${number}`);
  return agentEnv(layout, settings(nodes), host, handedOn);
};

describe('the nodes of a machine', () => {
  it('have parts, folders and owners of their own, the first those of a machine with one node', () => {
    expect(localHosts(layout, settings(3)).map(({ part, stateDir, owner }) => [part, stateDir, ownerEmail(owner)])).toEqual([
      ['agent', '/home/of/market/agent', 'operator@muster.local'],
      ['agent-2', '/home/of/market/agents/2', 'owner2@muster.local'],
      ['agent-3', '/home/of/market/agents/3', 'operator@muster.local'],
    ]);
  });

  it('share the machine when there are more than one, and one alone has all of it', () => {
    expect(envOf(1, 1)).not.toHaveProperty('MUSTER_AGENT_CPU');
    expect(envOf(3, 1)).toMatchObject({ MUSTER_AGENT_BRIDGE: 'mst7', MUSTER_AGENT_POOL_GB: '12' });
    expect(Number(envOf(3, 3)['MUSTER_AGENT_CPU'])).toBeGreaterThanOrEqual(1);
  });

  it('connect with the host key of their owner', () => {
    expect(envOf(3, 2)['MUSTER_HOST_API_KEY_FILE']).toBe('/home/of/market/secrets/host-api-key-2');
    expect(envOf(3, 3)['MUSTER_HOST_API_KEY_FILE']).toBe('/home/of/market/secrets/host-api-key');
  });

  it('take settings from outside, but bridge, network and name of the first are not those of all', () => {
    const handedOn = { MUSTER_AGENT_BRIDGE: 'br1', MUSTER_AGENT_NAME: 'big', MUSTER_AGENT_POOL_GB: '6', MUSTER_AGENT_GEOLOCATION: 'DE' };
    expect(envOf(3, 1, handedOn)).toMatchObject({ MUSTER_AGENT_BRIDGE: 'br1', MUSTER_AGENT_NAME: 'big', MUSTER_AGENT_POOL_GB: '6' });
    expect(envOf(3, 2, handedOn)).toMatchObject({ MUSTER_AGENT_BRIDGE: 'mst8', MUSTER_AGENT_NAME: 'big-2', MUSTER_AGENT_POOL_GB: '6', MUSTER_AGENT_GEOLOCATION: 'DE' });
  });
});
