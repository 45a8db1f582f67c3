import type { PreflightRecord } from '@muster/shared-types';
import type { GpuHealth } from './gpu-reading.js';
import { isAtLeast, SAFE_TOOLKIT } from './isolation.rules.js';
import { passOr, record } from './preflight-record.rules.js';
import type { PreflightFacts, PreflightPolicy } from './preflight-facts.js';

/** Checks of the GPUs. None on a machine that has none and no driver: that one is an honest CPU offer. */
export function gpuChecks(facts: PreflightFacts, policy: PreflightPolicy): PreflightRecord[] {
  const { gpus, fault, unidentified } = facts.gpus;
  if (gpus.length === 0 && unidentified === 0) return fault === null ? [] : [driverCheck(facts)];
  return [driverCheck(facts), stateCheck(facts), eccCheck(facts), migCheck(facts), toolkitCheck(facts, policy)];
}

/** A driver that does not answer only matters to renters where GPUs were on offer. */
function driverCheck({ gpus }: PreflightFacts): PreflightRecord {
  const actual = gpus.fault === null ? (gpus.driver_version ?? 'answers') : gpus.fault.message;
  const otherwise = gpus.gpus.length > 0 ? 'fail' : 'warn';
  return record({
    id: 'gpu_driver',
    title: 'NVIDIA driver',
    actual,
    required: 'answers nvidia-smi',
    operator: 'is',
    status: passOr(gpus.fault === null, otherwise),
    remediation:
      'Run nvidia-smi on this machine and mend what it says (driver loaded, same version as its library); until then no GPU is offered.',
  });
}

/** Offers leave out every GPU that is not `ok`, so one that fell out of eight does not take the machine down. */
function stateCheck({ gpus: { gpus, unidentified } }: PreflightFacts): PreflightRecord {
  const bad = gpus.filter(({ state }) => state !== 'ok');
  const good = gpus.length - bad.length;
  const names = [
    ...bad.map(({ index, uuid, state }) => `GPU ${index} ${state} (${uuid})`),
    ...(unidentified > 0 ? [`${unidentified} without a UUID`] : []),
  ];
  return record({
    id: 'gpu_state',
    title: 'GPUs in order',
    actual: names.length === 0 ? `${good} of ${good}` : `${good} of ${gpus.length + unidentified}: ${names.join(', ')}`,
    required: 'all',
    operator: 'is',
    status: passOr(names.length === 0, good === 0 ? 'fail' : 'warn'),
    remediation:
      'A lost GPU comes back with a restart of the machine; if it is lost again, check its power and its slot. Only GPUs in order are offered.',
  });
}

/** Errors that were corrected are normal; a GPU that cannot set its bad rows aside any more computes wrong or dies. */
function eccCheck({ gpus: { health } }: PreflightFacts): PreflightRecord {
  const broken = health.filter(({ remap_failure }) => remap_failure);
  const ailing = health.filter((gpu) => (gpu.ecc_volatile ?? 0) > 0 || gpu.repair_pending || gpu.recovery_action !== null);
  const words = health.filter((gpu) => broken.includes(gpu) || ailing.includes(gpu)).map(eccWords);
  const status = broken.length > 0 ? 'fail' : passOr(ailing.length === 0, 'warn');
  const remediation =
    broken.length > 0
      ? `Replace GPU ${broken.map(({ index }) => index).join(', ')}, or hide it from the driver (module option NVreg_ExcludedGpus=UUID) and restart the machine to offer the others.`
      : 'Reset the GPUs named here while nothing runs on them (nvidia-smi -r -i N), or restart the machine.';
  return record({
    id: 'gpu_ecc',
    title: 'GPU memory errors',
    actual: words.length === 0 ? 'none' : words.join('; '),
    required: 'none',
    operator: 'is',
    status: health.length === 0 ? 'skipped' : status,
    remediation: health.length === 0 ? 'It is checked as soon as the driver answers.' : remediation,
  });
}

function eccWords(gpu: GpuHealth): string {
  const parts = [
    (gpu.ecc_volatile ?? 0) > 0 ? `${gpu.ecc_volatile} uncorrectable since the driver was loaded` : '',
    gpu.remap_failure ? 'row remapping failed' : '',
    gpu.repair_pending ? 'repair pending' : '',
    gpu.recovery_action === null ? '' : `driver asks for ${gpu.recovery_action}`,
  ];
  return `GPU ${gpu.index}: ${parts.filter(Boolean).join(', ')}`;
}

/** A GPU in slices is rented whole and would give its renter a slice. */
function migCheck({ gpus: { gpus } }: PreflightFacts): PreflightRecord {
  const sliced = gpus.filter(({ mig }) => mig).map(({ index }) => index);
  return record({
    id: 'gpu_mig',
    title: 'GPUs whole',
    actual: sliced.length === 0 ? 'whole' : `MIG on: GPU ${sliced.join(', ')}`,
    required: 'whole',
    operator: 'is',
    status: passOr(sliced.length === 0, 'fail'),
    remediation: `GPUs are rented whole: turn MIG off (${sliced.map((index) => `nvidia-smi -i ${index} -mig 0`).join('; ')}).`,
  });
}

function toolkitCheck({ machine: { toolkit } }: PreflightFacts, policy: PreflightPolicy): PreflightRecord {
  const safe = isAtLeast(toolkit, SAFE_TOOLKIT);
  return record({
    id: 'gpu_toolkit',
    title: 'NVIDIA Container Toolkit',
    actual: toolkit ?? 'none',
    required: SAFE_TOOLKIT,
    operator: 'gte',
    status: passOr(safe, policy.unsafeGpuRuntime),
    remediation:
      toolkit === null
        ? `Install the NVIDIA Container Toolkit ${SAFE_TOOLKIT} or newer: without it no instance can have a GPU.`
        : `Upgrade the NVIDIA Container Toolkit to ${SAFE_TOOLKIT} or newer: older ones let an instance out.`,
  });
}
