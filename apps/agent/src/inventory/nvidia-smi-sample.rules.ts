import type { GpuInventory, GpuSample, ThrottleReason } from '@muster/shared-types';
import type { GpuActivity, GpuProcess } from './gpu-reading.js';
import { child, children, integer, isYes, number, text, type XmlNode } from './nvidia-smi-values.rules.js';

/** Each reason under its name behind `clocks_event_reason_`, which was `clocks_throttle_reason_` before driver 535. */
const THROTTLE: Readonly<Record<ThrottleReason, string>> = {
  hw_thermal: 'hw_thermal_slowdown',
  sw_thermal: 'sw_thermal_slowdown',
  hw_slowdown: 'hw_slowdown',
  power_brake: 'hw_power_brake_slowdown',
  power_cap: 'sw_power_cap',
  sync_boost: 'sync_boost',
  applications_clocks: 'applications_clocks_setting',
  display_clock: 'display_clocks_setting',
};
/** Programs on one GPU; a longer list says no more. */
const MOST_PROCESSES = 256;

/** What changes from one reading to the next. Null where the GPU does not say; a lost one says nothing that is true. */
export function readSample(node: XmlNode, { uuid, index, state }: GpuInventory): GpuSample {
  const link = child(node, 'pci', 'pci_gpu_link_info');
  const ecc = child(node, 'ecc_errors', 'volatile');
  return {
    uuid,
    index,
    state,
    utilization: number(node, 'utilization', 'gpu_util'),
    memory_used_mb: integer(node, 'fb_memory_usage', 'used'),
    temp: number(node, 'temperature', 'gpu_temp'),
    power_w: readPower(node),
    memory_utilization: number(node, 'utilization', 'memory_util'),
    memory_temp: number(node, 'temperature', 'memory_temp'),
    power_limit_w: readPowerLimit(node),
    clock_sm_mhz: integer(node, 'clocks', 'sm_clock'),
    clock_memory_mhz: integer(node, 'clocks', 'mem_clock'),
    fan_percent: number(node, 'fan_speed'),
    pcie_gen: integer(link, 'pcie_gen', 'current_link_gen'),
    pcie_width: integer(link, 'link_widths', 'current_link_width'),
    pcie_rx_kb_s: integer(node, 'pci', 'rx_util'),
    pcie_tx_kb_s: integer(node, 'pci', 'tx_util'),
    ecc_corrected: sumOf(ecc, ['sram_correctable', 'dram_correctable']),
    ecc_uncorrected: uncorrectable(ecc),
    remap_failed: isYes(node, 'remapped_rows', 'remapped_row_failure'),
    throttle: readThrottle(node),
  };
}

/** Watts. The element moved and split over the driver versions; the instant value is the one the old ones gave. */
function readPower(node: XmlNode): number | null {
  const now = child(node, 'gpu_power_readings');
  return (
    number(now, 'instant_power_draw') ??
    number(now, 'average_power_draw') ??
    number(now, 'power_draw') ??
    number(node, 'power_readings', 'power_draw')
  );
}

function readPowerLimit(node: XmlNode): number | null {
  return (
    number(node, 'gpu_power_readings', 'current_power_limit') ??
    number(node, 'power_readings', 'enforced_power_limit') ??
    number(node, 'power_readings', 'power_limit')
  );
}

function readThrottle(node: XmlNode): ThrottleReason[] {
  const active = (reason: string): boolean =>
    ['event', 'throttle'].some((word) => /^active$/i.test(text(node, `clocks_${word}_reasons`, `clocks_${word}_reason_${reason}`) ?? ''));
  return (Object.keys(THROTTLE) as ThrottleReason[]).filter((reason) => active(THROTTLE[reason]));
}

/** Sum of the uncorrectable counters under any of the names they had; null when the GPU keeps none. */
export const uncorrectable = (counters: XmlNode): number | null =>
  sumOf(counters, ['sram_uncorrectable', 'sram_uncorrectable_parity', 'sram_uncorrectable_secded', 'dram_uncorrectable']);

function sumOf(counters: XmlNode, names: readonly string[]): number | null {
  const values = names.map((name) => integer(counters, name)).filter((value) => value !== null);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
}

export function readActivity(node: XmlNode, uuid: string): GpuActivity {
  const listed = children(child(node, 'processes'), 'process_info').slice(0, MOST_PROCESSES);
  return { uuid, bus: busOf(text(node, 'pci', 'pci_bus_id')), processes: listed.map(readProcess).filter((one) => one !== null) };
}

function readProcess(node: XmlNode): GpuProcess | null {
  const pid = integer(node, 'pid');
  // `C`, `G` or `C+G`; what does not say is taken for a program that computes.
  return pid === null || pid === 0 ? null : { pid, computes: text(node, 'type') !== 'G', memory_mb: integer(node, 'used_memory') };
}

/** `00000000:0B:00.0` or `0000:0b:00.0` → `0000:0b:00`. */
export function busOf(id: string | null): string | null {
  const match = /^([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})(?:\.\d)?$/i.exec(id ?? '');
  return match ? `${match[1]?.slice(-4)}:${match[2]}:${match[3]}`.toLowerCase() : null;
}
