import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { GpuInventory } from '@muster/shared-types';
import { marketGpuName } from './gpu-name.rules.js';
import { type GpuHealth, type GpuReading, type SmiReading, smiFault } from './gpu-reading.js';
import { readActivity, readSample, uncorrectable } from './nvidia-smi-sample.rules.js';
import { child, children, integer, isYes, saysLost, saysReadError, text, type XmlNode } from './nvidia-smi-values.rules.js';

/** Goes into a container request as it is, so nothing but these characters. */
const UUID = /^[A-Za-z0-9-]{1,100}$/;
const ROOT = 'nvidia_smi_log';
/** What a dying GPU still answers here tells nothing about its state. */
const NOT_STATE = new Set(['processes', 'accounted_processes', 'mig_devices']);
/** Names that tenants choose and that the driver may not escape, and the list of clocks: nine tenths of the text, for nothing. */
const UNREAD = /<process_name>.*<\/process_name>|<supported_clocks>[\s\S]*?<\/supported_clocks>/g;

/**
 * Reads the output of `nvidia-smi -q -x`, schemas v11 to v13 and the undeclared one before them.
 * Total: any text gives a report or a fault. The DTD is never fetched, entities are never expanded.
 */
export function parseSmiXml(output: string): SmiReading {
  const document = parseDocument(output);
  if (document === null) return smiFault('unreadable', 'nvidia-smi did not answer with a whole, well-formed report');
  const log = child(document, ROOT);
  const listed = children(log, 'gpu');
  const attached = integer(log, 'attached_gpus');
  // `attached_gpus` stands before anything that a tenant can influence (names of its processes come later), so more
  // GPUs than that is not a report of the driver.
  if (attached !== null && listed.length > attached)
    return smiFault('unreadable', `nvidia-smi lists ${listed.length} GPUs, the driver has ${attached}`);
  const gpus = listed.map(readGpu).filter((reading) => reading !== null);
  if (new Set(gpus.map(({ gpu }) => gpu.uuid)).size < gpus.length) return smiFault('unreadable', 'nvidia-smi lists one GPU twice');
  const driver_version = text(log, 'driver_version')?.slice(0, 100) ?? null;
  return {
    ok: true,
    report: { driver_version, cuda_max_good: cudaVersion(text(log, 'cuda_version')), gpus, unidentified: listed.length - gpus.length },
  };
}

/** The parsed document, or null when it is cut off, malformed, of another kind, or declares entities of its own. */
function parseDocument(output: string): XmlNode | null {
  const xml = output.replace(UNREAD, '').trim();
  if (!xml.endsWith(`</${ROOT}>`) || /<!ENTITY/i.test(xml)) return null;
  try {
    if (XMLValidator.validate(xml) !== true) return null;
    const parser = new XMLParser({ ignoreAttributes: true, parseTagValue: false, processEntities: false, trimValues: true });
    const document = parser.parse(xml) as XmlNode;
    return typeof child(document, ROOT) === 'object' ? document : null;
  } catch {
    return null; // the parser throws on what it refuses, which is an answer here: not a report
  }
}

/** `12.8` → 1208. */
function cudaVersion(version: string | null): number | null {
  const match = /^(\d{1,3})\.(\d{1,2})/.exec(version ?? '');
  return match ? Number(match[1]) * 100 + Number(match[2]) : null;
}

function readGpu(node: XmlNode, index: number): GpuReading | null {
  const uuid = text(node, 'uuid');
  if (uuid === null || !UUID.test(uuid)) return null;
  const gpu = GpuInventory.safeParse(readInventory(node, uuid, index));
  if (!gpu.success) return null;
  return { gpu: gpu.data, sample: readSample(node, gpu.data), health: readHealth(node, uuid, index), activity: readActivity(node, uuid) };
}

function readInventory(node: XmlNode, uuid: string, index: number): GpuInventory {
  const link = child(node, 'pci', 'pci_gpu_link_info');
  return {
    uuid,
    index,
    name: marketGpuName(text(node, 'product_name') ?? ''),
    gpu_ram_mb: integer(node, 'fb_memory_usage', 'total') ?? 0,
    compute_cap: null, // not in this report: `nvidia-smi --query-gpu=compute_cap` has it
    // The generation falls when the link idles, so its maximum counts; the width is what the slot really gives.
    pcie_gen: integer(link, 'pcie_gen', 'max_link_gen'),
    pcie_width: integer(link, 'link_widths', 'current_link_width') ?? integer(link, 'link_widths', 'max_link_width'),
    serial: text(node, 'serial')?.slice(0, 100) ?? null,
    state: readState(node),
    mig: /^enabled$/i.test(text(node, 'mig_mode', 'current_mig') ?? ''),
  };
}

function readState(node: XmlNode): GpuInventory['state'] {
  const vital =
    typeof node === 'object' && !Array.isArray(node)
      ? Object.fromEntries(Object.entries(node).filter(([name]) => !NOT_STATE.has(name)))
      : node;
  if (saysLost(vital)) return 'lost';
  const measured = ['fb_memory_usage', 'utilization', 'temperature'].map((name) => child(node, name));
  if (measured.some(saysReadError) || integer(node, 'fb_memory_usage', 'total') === null) return 'unknown';
  return 'ok';
}

function readHealth(node: XmlNode, uuid: string, index: number): GpuHealth {
  const errors = child(node, 'ecc_errors');
  return {
    uuid,
    index,
    ecc_volatile: uncorrectable(child(errors, 'volatile')),
    ecc_aggregate: uncorrectable(child(errors, 'aggregate')),
    remap_failure: isYes(node, 'remapped_rows', 'remapped_row_failure'),
    repair_pending: isYes(node, 'remapped_rows', 'remapped_row_pending') || isYes(node, 'retired_pages', 'pending_retirement'),
    recovery_action: isYes(node, 'gpu_reset_status', 'reset_required') ? 'Reset' : text(node, 'gpu_recovery_action'),
  };
}

/**
 * Compute capability ×100 by UUID (`8.9` → 890) from `nvidia-smi --query-gpu=uuid,compute_cap --format=csv,noheader`.
 * Lines that are not of this form are left out.
 */
export function parseComputeCaps(output: string): Map<string, number> {
  const caps = new Map<string, number>();
  for (const line of output.split('\n')) {
    const match = /^\s*([A-Za-z0-9-]{1,100}),\s*(\d{1,2})\.(\d)\s*$/.exec(line);
    if (match?.[1]) caps.set(match[1], Number(match[2]) * 100 + Number(match[3]) * 10);
  }
  return caps;
}

/** What a failed run of nvidia-smi means, from what it printed. "No devices" is a report: none. */
export function parseSmiFailure(exitCode: number | null, output: string): SmiReading {
  if (/no devices were found/i.test(output))
    return { ok: true, report: { driver_version: null, cuda_max_good: null, gpus: [], unidentified: 0 } };
  const firstLine = output.split('\n').find((line) => line.trim() !== '') ?? '';
  const driver = /couldn't communicate with the NVIDIA driver|driver\/library version mismatch|failed to initialize NVML/i.test(output);
  if (driver) return smiFault('driver_down', firstLine);
  return smiFault('failed', `nvidia-smi ended with ${exitCode === null ? 'a signal' : `exit code ${exitCode}`}: ${firstLine}`);
}
