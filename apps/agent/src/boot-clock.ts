import { readFileSync } from 'node:fs';

/**
 * Seconds since this machine booted, sleep included (CLOCK_BOOTTIME, to 10 ms). It survives a restart of the agent and
 * no one can set it, so leases and deadlines are kept on it together with the boot id; never compare it across boots.
 */
export function bootSeconds(uptimePath = '/proc/uptime'): number {
  const seconds = Number(/^\d+(\.\d+)?/.exec(readFileSync(uptimePath, 'utf8'))?.[0]);
  if (!Number.isFinite(seconds)) throw new Error(`${uptimePath} does not start with seconds`);
  return seconds;
}

/** A random id that the kernel makes at every boot. */
export function bootId(path = '/proc/sys/kernel/random/boot_id'): string {
  return readFileSync(path, 'utf8').trim();
}
