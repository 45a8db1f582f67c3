import { proxyName } from '@muster/shared-types';
import type { ProxyStatus, StoredProxy } from './store-api.js';
import type { ObservedTunnel, TunnelMapping, TunnelStatus } from './types.js';

export type StoreStep = { do: 'remove'; name: string } | { do: 'create' | 'update'; proxy: StoredProxy };

/**
 * What to change in frpc's store so that it holds exactly these mappings for the rental. A name that another rental
 * still holds is taken over: the backend gives a public port to one rental at a time.
 */
export function planRental(rentalId: string, mappings: readonly TunnelMapping[], stored: readonly StoredProxy[]): StoreStep[] {
  const wanted = mappings.map((mapping) => toProxy(rentalId, mapping));
  const names = new Set(wanted.map((proxy) => proxy.name));
  const byName = new Map(stored.map((proxy) => [proxy.name, proxy]));
  const removals = stored
    .filter((proxy) => proxy.rentalId === rentalId && !names.has(proxy.name))
    .map((proxy): StoreStep => ({ do: 'remove', name: proxy.name }));
  return [...removals, ...wanted.flatMap((proxy) => planProxy(proxy, byName.get(proxy.name)))];
}

function planProxy(wanted: StoredProxy, held: StoredProxy | undefined): StoreStep[] {
  if (!held) return [{ do: 'create', proxy: wanted }];
  return sameProxy(wanted, held) ? [] : [{ do: 'update', proxy: wanted }];
}

const sameProxy = (a: StoredProxy, b: StoredProxy): boolean =>
  a.rentalId === b.rentalId && a.localIp === b.localIp && a.localPort === b.localPort && a.remotePort === b.remotePort;

const toProxy = (rentalId: string, mapping: TunnelMapping): StoredProxy => ({
  name: proxyName(mapping.publicPort),
  rentalId,
  localIp: mapping.localIp,
  localPort: mapping.containerPort,
  remotePort: mapping.publicPort,
});

/** Store and status put together. A proxy without a status waits for a session. Entries that are not ours are left out. */
export function describeTunnels(stored: readonly StoredProxy[], statuses: readonly ProxyStatus[]): ObservedTunnel[] {
  const byName = new Map(statuses.map((status) => [status.name, status]));
  return stored.filter((proxy) => proxy.rentalId !== '').map((proxy) => {
    const found = byName.get(proxy.name);
    const status = toStatus(found?.phase);
    return {
      rentalId: proxy.rentalId,
      containerPort: proxy.localPort,
      publicPort: proxy.remotePort,
      localIp: proxy.localIp,
      status,
      ...(status === 'error' ? { error: found?.error ?? '' } : {}),
    };
  });
}

/**
 * Names of proxies that the session runs other than they are stored, or not at all, or though they are not stored. frpc
 * reads the store when a login has succeeded and takes changes only a moment later: one that comes in between is
 * stored, and reaches no session.
 */
export function missedBySession(stored: readonly StoredProxy[], statuses: readonly ProxyStatus[]): string[] {
  const wanted = new Map(stored.map((proxy) => [proxy.name, `${proxy.localIp}:${proxy.localPort}`]));
  const run = new Map(statuses.map((status) => [status.name, status.localAddr]));
  return [...new Set([...wanted.keys(), ...run.keys()])].filter((name) => wanted.get(name) !== run.get(name));
}

/** frp's phases: `new`, `wait start`, `start error`, `running`, `check failed`, `closed`. */
function toStatus(phase: string | undefined): TunnelStatus {
  if (phase === 'running') return 'running';
  return phase === 'start error' || phase === 'check failed' ? 'error' : 'starting';
}

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 5_000;

/** How long to wait before a refused proxy is posted anew; frpc by itself would wait 30 s. `attempts` counts from 0. */
export const retryDelayMs = (attempts: number): number => Math.min(RETRY_FIRST_MS * 2 ** Math.min(attempts, 10), RETRY_MAX_MS);

const RESTART_FIRST_MS = 250;
const RESTART_MAX_MS = 5_000;
/** So often a life without an answer may be bad luck (killed before we looked) and costs no pause. */
const RESTARTS_WITHOUT_PAUSE = 3;
/** Two starts are never nearer than this, so an frpc that falls over again and again costs little. */
export const MIN_LIFE_MS = 1_000;

/** Pause before frpc is started again after `failures` lives in a row in which it never answered. */
export function restartDelayMs(failures: number): number {
  const counted = failures - RESTARTS_WITHOUT_PAUSE;
  return counted <= 0 ? 0 : Math.min(RESTART_FIRST_MS * 2 ** Math.min(counted, 10), RESTART_MAX_MS);
}
