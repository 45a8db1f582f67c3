/** Parsers of the few files that a heartbeat reads. Pure; what a file does not say is null. */

export interface CpuTimes {
  /** Clock ticks over all CPUs since boot. */
  busy: number;
  total: number;
}

/** First line of `/proc/stat`. Guest time is in user time already; waiting for a disk is idle. */
export function parseCpuTimes(stat: string): CpuTimes | null {
  const line = /^cpu\s+(.+)$/m.exec(stat)?.[1];
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (line ?? '').split(/\s+/).map(Number);
  const busy = user + nice + system + irq + softirq + steal;
  const total = busy + idle + iowait;
  return line !== undefined && Number.isFinite(total) && total > 0 ? { busy, total } : null;
}

/** Percent of all CPUs used between two readings, 0–100; null when no time has passed. */
export function cpuPercent(before: CpuTimes | null, now: CpuTimes | null): number | null {
  if (before === null || now === null || now.total <= before.total) return null;
  const percent = (100 * (now.busy - before.busy)) / (now.total - before.total);
  return Math.round(Math.min(100, Math.max(0, percent)) * 10) / 10;
}

/** MiB in use: all that is not available to a new program (`MemAvailable` counts what caches can give back). */
export function parseRamUsedMb(meminfo: string): number | null {
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? NaN);
  const used = (kib('MemTotal') - kib('MemAvailable')) / 1024;
  return Number.isFinite(used) ? Math.max(0, Math.round(used)) : null;
}

/** First number of `/proc/loadavg`. */
export function parseLoad1m(loadavg: string): number | null {
  const load = Number(/^\d+(\.\d+)?/.exec(loadavg)?.[0] ?? NaN);
  return Number.isFinite(load) ? load : null;
}

export interface NetBytes {
  rx: number;
  tx: number;
}

/** Bridges, their ports and tunnels repeat the bytes of the card below them. */
const REPEATS = /^(lo|veth.*|docker.*|br-.*|virbr.*|cni.*|flannel.*|tun.*|tap.*|wg.*|ifb.*|bond.*|dummy.*|mst.*)$/;

/** Bytes over the machine's own cards since boot, from `/proc/net/dev`. `bridge` is the engine's. */
export function parseNetBytes(dev: string, bridge?: string): NetBytes {
  const sum: NetBytes = { rx: 0, tx: 0 };
  for (const match of dev.matchAll(/^\s*([^\s:]+):\s*(.+)$/gm)) {
    const [name = '', counters = ''] = [match[1], match[2]];
    const fields = counters.trim().split(/\s+/).map(Number);
    if (REPEATS.test(name) || name === bridge || fields.length < 9) continue;
    sum.rx += fields[0] ?? 0;
    sum.tx += fields[8] ?? 0;
  }
  return sum;
}

/** Drivers that measure the processor itself, the better ones first. */
const CPU_SENSORS = ['coretemp', 'k10temp', 'zenpower', 'cpu_thermal', 'x86_pkg_temp', 'cpu-thermal', 'soc_thermal', 'acpitz'];

/** The sensor that stands for the processor; null when the machine shows none (most virtual ones). */
export function chooseCpuSensor<S extends { name: string }>(sensors: readonly S[]): S | null {
  const ranked = sensors
    .filter(({ name }) => CPU_SENSORS.includes(name))
    .toSorted((a, b) => CPU_SENSORS.indexOf(a.name) - CPU_SENSORS.indexOf(b.name));
  return ranked[0] ?? null;
}

/** °C from a sensor file in thousandths; null outside of what a running processor can have. */
export function parseMilliCelsius(text: string): number | null {
  const celsius = /^-?\d+\s*$/.test(text) ? Number(text) / 1000 : NaN;
  return celsius > -40 && celsius < 150 ? Math.round(celsius * 10) / 10 : null;
}

/** Whole disks; their partitions and what is layered above them repeat the same bytes. */
const WHOLE_DISK = /^(sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+)$/;
/** The kernel counts sectors of this size whatever the disk has. */
const SECTOR_BYTES = 512;

/** Bytes over the machine's own disks since boot, from `/proc/diskstats`. */
export function parseDiskBytes(diskstats: string): { read: number; written: number } {
  const sum = { read: 0, written: 0 };
  for (const line of diskstats.split('\n')) {
    const [, , name = '', , , sectorsRead, , , , sectorsWritten] = line.trim().split(/\s+/);
    const bytes = [sectorsRead, sectorsWritten].map((sectors) => Number(sectors) * SECTOR_BYTES);
    if (!WHOLE_DISK.test(name) || !bytes.every(Number.isFinite)) continue;
    sum.read += bytes[0] ?? 0;
    sum.written += bytes[1] ?? 0;
  }
  return sum;
}
