import type { FindingSeverity, GpuSample, HeartbeatMetrics, XidEvent } from '@muster/shared-types';

/**
 * What heartbeats say about the health of a machine, and what follows. Sources: NVIDIA, "XID Errors" (docs.nvidia.com/deploy/xid-errors)
 * and "GPU Debug Guidelines"; the classes are those of its table of recommended actions. `docs/telemetry.md` shows the table to people.
 *
 *   quarantine   off the market; rentals of that GPU end as of the fault and are not charged from there on
 *   delist       off the market until it is over; what runs goes on
 *   warn         host and renter are told
 *   tenant       the renter is told; nothing is held against the host
 */
export type Severity = FindingSeverity | 'tenant';

interface Rule {
  severity: Severity;
  words: string;
  remediation: string;
}

const RESTART = 'Restart the machine. If it comes again, check power, cables and cooling of this GPU, then have it replaced.';
const RESET = 'Reset the GPU while nothing runs on it (nvidia-smi -r -i N), or restart the machine.';

/** Xids that are no fault of the machine: a program did what it may not. */
const TENANT_XIDS: Readonly<Record<number, string>> = {
  13: 'a program made the graphics engine fail',
  31: 'a program touched memory that is not its own',
  43: 'a program was stopped by the GPU',
  45: 'work of a program was taken off the GPU',
  69: 'a program made the graphics engine fail',
  94: 'a memory error was contained in one program',
};
const RESET_XIDS: Readonly<Record<number, string>> = {
  46: 'the GPU stopped processing', 62: 'its internal controller halted', 95: 'a memory error was not contained', 109: 'it timed out on a context switch',
  119: 'its system processor did not answer', 120: 'its system processor failed', 140: 'an unrecovered memory error', 143: 'it failed to initialise', 155: 'the NVLink software failed', 156: 'its resources were retired',
};

const RULES: Readonly<Record<string, Rule>> = {
  gpu_lost: { severity: 'quarantine', words: 'The driver has lost it', remediation: RESTART },
  ecc_uncorrectable: { severity: 'quarantine', words: 'Its memory has errors that cannot be corrected', remediation: RESET },
  row_remap_failed: { severity: 'quarantine', words: 'It cannot replace bad memory any more', remediation: 'Have this GPU replaced, or hide it from the driver (module option NVreg_ExcludedGpus=UUID) and restart the machine.' },
  xid_79: { severity: 'quarantine', words: 'It has fallen off the bus (Xid 79)', remediation: RESTART },
  xid_48: { severity: 'quarantine', words: 'Its memory had an error that cannot be corrected (Xid 48)', remediation: RESET },
  xid_64: { severity: 'quarantine', words: 'It could not set bad memory aside (Xid 64)', remediation: RESET },
  ...xidRules(RESET_XIDS, 'quarantine', RESET),
  ...xidRules({ 54: 'auxiliary power is not connected', 74: 'a link to another GPU failed' }, 'delist', RESTART),
  ...xidRules({ 63: 'bad memory was set aside', 92: 'many memory errors were corrected' }, 'warn', RESET),
  ...xidRules(TENANT_XIDS, 'tenant', ''),
  thermal_throttling: { severity: 'warn', words: 'Heat slows it down', remediation: 'Clean filters and fans, and let cooler air in; or lower its power limit (nvidia-smi -i N -pl WATTS).' },
  foreign_load: { severity: 'delist', words: 'Programs that are no rentals compute on it', remediation: 'End them (nvidia-smi shows who they are), or take the machine off the market while you use it yourself.' },
  disk_nearly_full: { severity: 'warn', words: 'The disk for rentals is nearly full', remediation: 'Make room on the disk of the engine, or offer less of it (MUSTER_AGENT_POOL_GB).' },
  disk_full: { severity: 'delist', words: 'The disk for rentals is full', remediation: 'Make room on the disk of the engine, or offer less of it (MUSTER_AGENT_POOL_GB).' },
};

function xidRules(xids: Readonly<Record<number, string>>, severity: Severity, remediation: string): Record<string, Rule> {
  return Object.fromEntries(Object.entries(xids).map(([xid, words]) => [`xid_${xid}`, { severity, words: `The driver reports that ${words} (Xid ${xid})`, remediation }]));
}

export const remediationOf = (code: string): string => RULES[code]?.remediation ?? '';
/** An event: over when the machine or the GPU has been started anew, not when it is no longer reported. */
export const isEvent = (code: string): boolean => code.startsWith('xid_');

export interface Fault {
  code: string;
  gpuUuid: string | null;
  severity: Severity;
  /** In one sentence. */
  message: string;
  /** How long before the heartbeat it began, at most. */
  agoS: number;
  bootId: string | null;
  /** Of an event, which is told many times: tells it from others of the same machine. */
  eventId: string | null;
}

/** What is remembered of a machine from one heartbeat to the next. */
export interface HealthMemory {
  atS: number;
  /** How many heartbeats in a row showed something that is only believed when it lasts. */
  streaks: ReadonlyMap<string, number>;
}

export interface Judged {
  faults: Fault[];
  memory: HealthMemory;
}

/** Shown by so many heartbeats in a row, ten seconds at most. */
const LASTING = 2;
const DISK_NEARLY_FULL = 0.93;
const DISK_FULL = 0.98;
/** What happened earlier than that is taken for this old: a host's clock decides about no more. */
const OLDEST_S = 600;
/** The state of a GPU is read this often; a loss is at most two heartbeats old. */
const OLDEST_STATE_S = 10;

/** Judges one heartbeat. Pure. */
export function judge(metrics: HeartbeatMetrics, atS: number, before?: HealthMemory): Judged {
  const streaks = new Map<string, number>();
  const lasts = (key: string, shown: boolean): boolean => {
    if (!shown) return false;
    const count = (before?.streaks.get(key) ?? 0) + 1;
    streaks.set(key, count);
    return count >= LASTING;
  };
  const sinceS = Math.min(OLDEST_STATE_S, Math.max(0, atS - (before?.atS ?? atS)));
  const faults = [
    ...(metrics.gpus ?? []).flatMap((gpu) => gpuCodes(gpu, lasts).map((code) => fault(code, gpu.uuid, sinceS))),
    ...(metrics.xids ?? []).flatMap(xidFault),
    ...diskCodes(metrics).map((code) => fault(code, null, 0)),
  ];
  return { faults, memory: { atS, streaks } };
}

function gpuCodes(gpu: GpuSample, lasts: (key: string, shown: boolean) => boolean): string[] {
  const throttle = gpu.throttle ?? [];
  // What the GPU itself does to save itself is believed at once; what its driver does must last.
  const hot = lasts(`heat:${gpu.uuid}`, throttle.includes('sw_thermal')) || throttle.includes('hw_thermal');
  return [
    ...(gpu.state === 'lost' ? ['gpu_lost'] : []),
    ...((gpu.ecc_uncorrected ?? 0) > 0 ? ['ecc_uncorrectable'] : []),
    ...(gpu.remap_failed ? ['row_remap_failed'] : []),
    ...(hot ? ['thermal_throttling'] : []),
    ...(lasts(`foreign:${gpu.uuid}`, (gpu.foreign_processes ?? 0) > 0) ? ['foreign_load'] : []),
  ];
}

function xidFault({ seq, xid, gpu_uuid, boot_id, ago_s }: XidEvent): Fault[] {
  const code = `xid_${xid}`;
  return RULES[code] === undefined ? [] : [{ ...fault(code, gpu_uuid, Math.min(OLDEST_S, ago_s)), bootId: boot_id, eventId: `${boot_id}:${seq}` }];
}

function diskCodes({ disk_usage_gb, disk_total_gb }: HeartbeatMetrics): string[] {
  if (disk_total_gb === undefined || disk_total_gb <= 0) return [];
  const used = disk_usage_gb / disk_total_gb;
  if (used >= DISK_FULL) return ['disk_full'];
  return used >= DISK_NEARLY_FULL ? ['disk_nearly_full'] : [];
}

function fault(code: string, gpuUuid: string | null, agoS: number): Fault {
  const { severity, words } = RULES[code] ?? { severity: 'warn' as const, words: code };
  return { code, gpuUuid, severity, message: gpuUuid === null ? `${words}.` : `GPU ${gpuUuid}: ${words}.`, agoS, bootId: null, eventId: null };
}

/** One key per thing that can be wrong. */
export const keyOf = ({ code, gpuUuid }: Pick<Fault, 'code' | 'gpuUuid'>): string => `${code} ${gpuUuid ?? ''}`;
