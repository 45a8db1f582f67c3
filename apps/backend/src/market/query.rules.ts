import type { MicroUsd } from '@muster/shared-types';
import type { OfferShape } from './offer.rules.js';

export interface OfferQuery {
  maxMicroHour: MicroUsd | null;
  gpu: string | null;
  numGpus: number | null;
  minCpuCores: number | null;
  minRamMb: number | null;
  minReliability: number | null;
}

export interface Candidate {
  shape: OfferShape;
  totalMicroHour: MicroUsd;
  reliability: number;
}

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** Whether an offer is among those that are asked for. A GPU is named as people name it: `4090` finds `RTX 4090`. */
export function matches(query: OfferQuery, { shape, totalMicroHour, reliability }: Candidate): boolean {
  return (
    (query.maxMicroHour === null || totalMicroHour <= query.maxMicroHour) &&
    (query.gpu === null || (shape.gpuName !== null && plain(shape.gpuName).includes(plain(query.gpu)))) &&
    (query.numGpus === null || shape.numGpus === query.numGpus) &&
    (query.minCpuCores === null || shape.cpuCores >= query.minCpuCores) &&
    (query.minRamMb === null || shape.ramMb >= query.minRamMb) &&
    (query.minReliability === null || reliability >= query.minReliability)
  );
}

/** Cheapest first; the id breaks ties, so that pages never overlap. */
export function byPrice(a: Candidate, b: Candidate): number {
  if (a.totalMicroHour !== b.totalMicroHour) return a.totalMicroHour < b.totalMicroHour ? -1 : 1;
  return a.shape.id < b.shape.id ? -1 : a.shape.id > b.shape.id ? 1 : 0;
}

/** Whether an offer comes after the last one of the page before. */
export function isAfter(candidate: Candidate, position: readonly [rate: string, id: string] | undefined): boolean {
  if (!position) return true;
  const rate = BigInt(position[0]);
  return candidate.totalMicroHour > rate || (candidate.totalMicroHour === rate && candidate.shape.id > position[1]);
}
