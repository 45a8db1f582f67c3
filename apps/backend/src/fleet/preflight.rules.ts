import type { Inventory, PreflightRecord } from '@muster/shared-types';

/** Least machine that can hold one instance of the shipped template. */
const MIN_RAM_MB = 512;
const MIN_DISK_GB = 1;

type Facts = Pick<Inventory, 'docker' | 'cpu_ram_mb' | 'disk_gb' | 'gpus' | 'driver_version'>;

/** Checks that the market makes itself from the stated inventory, whatever the machine's own list says. */
export function marketChecks(facts: Facts): PreflightRecord[] {
  return [
    {
      id: 'market.engine',
      title: 'A container engine answers',
      actual: facts.docker?.version ?? 'none',
      required: 'present',
      operator: 'is',
      unit: '',
      status: facts.docker ? 'pass' : 'fail',
      remediation: 'Start the agent as root with a Docker engine, then look at its log.',
    },
    atLeast('market.ram', 'Memory for one instance', facts.cpu_ram_mb, MIN_RAM_MB, 'MiB'),
    atLeast('market.disk', 'Disk for one instance', facts.disk_gb, MIN_DISK_GB, 'GB'),
    ...(facts.gpus.length > 0 ? [gpuCheck(facts)] : []),
  ];
}

/** The machine's own records and the market's, as kept and shown. */
export const allChecks = (inventory: Inventory): PreflightRecord[] => [...inventory.preflight, ...marketChecks(inventory)];

/** The records that keep a node off the market. Warnings, skipped checks and `info` lines do not. */
export const failedChecks = (inventory: Inventory): PreflightRecord[] =>
  allChecks(inventory).filter((record) => record.status === 'fail' && record.operator !== 'info');

function atLeast(id: string, title: string, actual: number, required: number, unit: string): PreflightRecord {
  const status = actual >= required ? 'pass' : 'fail';
  return { id, title, actual: String(actual), required: String(required), operator: 'gte', unit, status, remediation: `Offer at least ${required} ${unit}.` };
}

function gpuCheck(facts: Facts): PreflightRecord {
  const working = facts.gpus.filter((gpu) => gpu.state === 'ok').length;
  return {
    id: 'market.gpus',
    title: 'GPUs that work',
    actual: String(working),
    required: '1',
    operator: 'gte',
    unit: '',
    status: working > 0 ? 'pass' : 'fail',
    remediation: `None of ${facts.gpus.length} GPUs answers; driver ${facts.driver_version ?? 'unknown'}. Check nvidia-smi on the machine.`,
  };
}
