import type { PreflightRecord } from '@muster/shared-types';
import { isAtLeast, isSafeRunc, SAFE_RUNC } from './isolation.rules.js';
import { sellableDiskGb } from '../docker/disk.rules.js';
import { GB_BYTES } from './offer-share.rules.js';
import { grade, passOr, record } from './preflight-record.rules.js';
import type { DiskKind, PreflightFacts, PreflightPolicy } from './preflight-facts.js';

const DOCKER_NEEDED = '20.10';
const OFFERED_WANTED_GB = 10;
const OFFERED_NEEDED_GB = 1;
/** Free space below which the next image or disk may not fit. */
const FREE_WANTED_GB = 10;
const FREE_NEEDED_GB = 2;

/** Checks of the engine that runs instances and of the disk it has. */
export function engineChecks(facts: PreflightFacts, policy: PreflightPolicy): PreflightRecord[] {
  return [
    dockerCheck(facts),
    ownerCheck(facts),
    runcCheck(facts, policy),
    diskKindCheck(facts),
    diskSizeCheck(facts),
    diskFreeCheck(facts),
  ];
}

function dockerCheck({ engine }: PreflightFacts): PreflightRecord {
  return record({
    id: 'docker',
    title: 'Docker',
    actual: engine?.version ?? 'does not answer',
    required: DOCKER_NEEDED,
    operator: 'gte',
    status: passOr(isAtLeast(engine?.version ?? null, DOCKER_NEEDED), 'fail'),
    remediation:
      engine === null
        ? 'The engine does not answer: see the log of dockerd in the state folder of the agent. Debian: apt-get install docker.io.'
        : `Upgrade Docker to ${DOCKER_NEEDED} or newer.`,
  });
}

function ownerCheck({ engine, engineWeaknesses }: PreflightFacts): PreflightRecord {
  const base = { id: 'engine', title: 'Who owns the engine', required: 'own', operator: 'is' } as const;
  if (engine === null)
    return record({ ...base, actual: 'unknown', status: 'skipped', remediation: 'It is checked as soon as the engine answers.' });
  const weaker = engineWeaknesses.length > 0 ? ` Weaker here: ${engineWeaknesses.join('; ')}.` : '';
  return record({
    ...base,
    actual: engine.external ? 'external' : 'own',
    status: passOr(!engine.external, 'warn'),
    remediation: `MUSTER_DOCKER_HOST gives instances to an engine that is not the agent's own.${weaker} Unset it to let the agent run its own.`,
  });
}

function runcCheck({ engine, gpus }: PreflightFacts, policy: PreflightPolicy): PreflightRecord {
  const base = {
    id: 'runc',
    title: 'Container runtime',
    required: `${SAFE_RUNC.join(', ')} or newer in its line`,
    operator: 'in',
  } as const;
  if (engine === null)
    return record({ ...base, actual: 'unknown', status: 'skipped', remediation: 'It is checked as soon as the engine answers.' });
  const onGpuHost = gpus.gpus.length > 0;
  const what = onGpuHost
    ? 'GPU machines need a runc without known escapes'
    : 'This machine is offered with isolation "basic", which renters see and can filter out';
  return record({
    ...base,
    actual: engine.runc,
    status: passOr(isSafeRunc(engine.runc), onGpuHost ? policy.unsafeGpuRuntime : 'warn'),
    remediation: `${what}: upgrade runc to ${SAFE_RUNC.join(', ')} or newer.`,
  });
}

const DISK_WORDS: Record<DiskKind, string> = {
  project_quota: 'project quota: the whole instance is bounded by the file system',
  loopback:
    'loopback: /workspace is a file system of the rented size; writes elsewhere are watched and end the rental when they pass their share',
  none: 'not bounded',
};

/** Whoever gives another engine has chosen its disk; renters are told, and the records of `engine` say the rest. */
function diskKindCheck({ diskKind, engine }: PreflightFacts): PreflightRecord {
  return record({
    id: 'disk_kind',
    title: 'How disks are bounded',
    actual: DISK_WORDS[diskKind],
    required: 'project quota or loopback',
    operator: 'in',
    status: passOr(diskKind !== 'none', engine?.external === true ? 'warn' : 'fail'),
    remediation:
      'The kernel needs loop devices (modprobe loop) and ext4, or the engine a file system with project quotas (XFS mounted with pquota).',
  });
}

function diskSizeCheck({ disk }: PreflightFacts): PreflightRecord {
  const offered = sellableDiskGb(disk.poolBytes / GB_BYTES);
  return record({
    id: 'disk',
    title: 'Disk offered',
    actual: String(offered),
    required: String(OFFERED_WANTED_GB),
    operator: 'gte',
    unit: 'GB',
    status: grade(offered, OFFERED_WANTED_GB, OFFERED_NEEDED_GB),
    remediation: `Give the engine a file system from which at least ${OFFERED_WANTED_GB} GB can be offered.`,
  });
}

/** The pool may be sparse: what counts is the lesser of what is free in it and in the host's file system below. */
function diskFreeCheck({ disk }: PreflightFacts): PreflightRecord {
  const free = Math.min(disk.poolFreeBytes, disk.hostFreeBytes) / GB_BYTES;
  return record({
    id: 'disk_free',
    title: 'Disk free now',
    actual: free.toFixed(1),
    required: String(FREE_WANTED_GB),
    operator: 'gte',
    unit: 'GB',
    status: grade(free, FREE_WANTED_GB, FREE_NEEDED_GB),
    remediation:
      'Free space on the file system of the agent’s state folder: images that no rental uses are removed by themselves, other files of this machine are not.',
  });
}
