import type { DistinctBy, JobFault, MicroUsd } from '@muster/shared-types';
import { misfit, nodeRate, servingGpus, type Misfit, type Need } from '../schedule/need.rules.js';
import type { NodeState } from '../schedule/nodes.store.js';

export const DISTINCT_NODES_ONLY = 'Distinct nodes only: all copies may run on machines of one owner, so agreement does not prove independence';
export const ONE_IS_BELIEVED = 'One result is believed without a second one';

/** What the market has for one kind of work. */
export interface Fit {
  need: Need;
  /** Cheapest rate of each owner and of each node that fits, cheapest first. */
  ratesByOwner: readonly MicroUsd[];
  ratesByNode: readonly MicroUsd[];
  /** Owners and nodes that are there: on the market and online. */
  ownersOnline: number;
  nodesOnline: number;
  nodesFreeNow: number;
  /** Verified nodes that do not fit, by what they lack first. */
  misfits: ReadonlyMap<Misfit | 'reputation', number>;
}

/** Which verified nodes could run a copy, now or at another time, and at what price. */
export function fitOf(nodes: readonly NodeState[], need: Need): Fit {
  const misfits = new Map<Misfit | 'reputation', number>();
  const fitting: { node: NodeState; rate: MicroUsd }[] = [];
  for (const node of nodes) {
    const lack = misfit(node.traits, need) ?? (node.reputation < need.minReputation ? 'reputation' : undefined);
    if (lack === undefined) fitting.push({ node, rate: nodeRate(node.traits.pricing, need) });
    else misfits.set(lack, (misfits.get(lack) ?? 0) + 1);
  }
  const online = fitting.filter(({ node }) => node.online && node.listed);
  return {
    need,
    misfits,
    ratesByNode: sorted(fitting.map(({ rate }) => rate)),
    ratesByOwner: sorted(cheapestByOwner(fitting)),
    nodesOnline: online.length,
    ownersOnline: new Set(online.map(({ node }) => node.traits.ownerId)).size,
    nodesFreeNow: online.filter(({ node }) => hasRoom(node, need)).length,
  };
}

function cheapestByOwner(fitting: readonly { node: NodeState; rate: MicroUsd }[]): MicroUsd[] {
  const cheapest = new Map<string, MicroUsd>();
  for (const { node, rate } of fitting) {
    const known = cheapest.get(node.traits.ownerId);
    if (known === undefined || rate < known) cheapest.set(node.traits.ownerId, rate);
  }
  return [...cheapest.values()];
}

const sorted = (rates: readonly MicroUsd[]): MicroUsd[] => rates.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));

function hasRoom(node: NodeState, need: Need): boolean {
  const { traits } = node;
  const gpus = need.numGpus === 0 || servingGpus(traits, need).filter((gpu) => gpu.free).length >= need.numGpus;
  return gpus && traits.cpuTotal - node.cpuUsed >= need.cpuCores && traits.ramMbTotal - node.ramMbUsed >= need.memoryMb && traits.diskGbTotal - node.diskGbUsed >= need.diskGb;
}

/** Cheapest rates of those whom copies of one task go to, one each. */
export const ratesOf = (fit: Fit, distinctBy: DistinctBy): readonly MicroUsd[] => (distinctBy === 'owner' ? fit.ratesByOwner : fit.ratesByNode);

const LACKS: Readonly<Record<Misfit | 'reputation', (need: Need) => string>> = {
  cpu: (need) => `${need.cpuCores} vCPU`,
  memory: (need) => `${need.memoryMb} MiB of memory`,
  disk: (need) => `${need.diskGb} GB of disk`,
  gpus: (need) => `${need.numGpus} ${need.gpuName ?? 'GPU'}${need.numGpus === 1 || need.gpuName !== null ? '' : 's'}`,
  gpu_ram: (need) => `${need.gpuRamMb} MiB of GPU memory`,
  capability: (need) => (need.capabilities.length > 0 ? need.capabilities.join(', ') : `the image ${need.image}`),
  region: (need) => `a place in ${need.geolocation ?? 'the region'}`,
  plain_http: () => 'an agent (these only speak HTTP)',
  reputation: (need) => `a reputation of ${need.minReputation}`,
};

/** What a job of `consensus` equal results waits for, and what to do; null when it can start. */
export function waitingFor(fit: Fit, policy: { consensus: number; distinctBy: DistinctBy }): JobFault | null {
  const there = policy.distinctBy === 'owner' ? fit.ownersOnline : fit.nodesOnline;
  if (ratesOf(fit, policy.distinctBy).length === 0) return { code: 'no_node_fits', message: noNodeFits(fit) };
  if (there < policy.consensus) return tooFew(fit, policy, there);
  return fit.nodesFreeNow === 0 ? { code: 'all_busy', message: 'Every node that fits is busy; the job starts when one has room' } : null;
}

function noNodeFits({ need, misfits }: Fit): string {
  const lacks = [...misfits].sort(([, a], [, b]) => b - a).map(([lack, count]) => `${count} ${count === 1 ? 'lacks' : 'lack'} ${LACKS[lack](need)}`);
  if (lacks.length === 0) return 'There is no verified node on this market yet; add one with `muster node join`';
  return `No node fits: ${lacks.join('; ')}. Ask for less, or add a machine that has it`;
}

function tooFew(fit: Fit, { consensus, distinctBy }: { consensus: number; distinctBy: DistinctBy }, there: number): JobFault {
  const word = distinctBy === 'owner' ? 'owner' : 'node';
  const known = ratesOf(fit, distinctBy).length;
  const absent = known > there ? ` (${known - there} more ${known - there === 1 ? 'is' : 'are'} offline or not listed)` : '';
  const remedy = distinctBy === 'owner'
    ? 'add a machine of another owner, or submit with --redundancy 1 --consensus 1; on a market where one owner has all machines set MUSTER_DISTINCT_BY=node'
    : 'add a machine, or submit with --redundancy 1 --consensus 1';
  return { code: `too_few_${word}s`, message: `Needs ${consensus} ${consensus === 1 ? word : `${word}s`}, ${there} ${there === 1 ? 'is' : 'are'} there${absent}: ${remedy}` };
}

/** What a submitter should know before paying. */
export function fitWarnings(fit: Fit, policy: { redundancy: number; consensus: number; maxCopies: number; distinctBy: DistinctBy }): string[] {
  const known = ratesOf(fit, policy.distinctBy).length;
  const word = policy.distinctBy === 'owner' ? 'owners' : 'nodes';
  return [
    ...(policy.distinctBy === 'node' ? [DISTINCT_NODES_ONLY] : []),
    ...(policy.consensus === 1 ? [ONE_IS_BELIEVED] : []),
    ...(known >= policy.consensus && known < policy.redundancy ? [`${policy.redundancy} copies are wanted and ${known} ${word} fit: the ones there are must agree`] : []),
  ];
}
