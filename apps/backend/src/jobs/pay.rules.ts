import type { MicroUsd } from '@muster/shared-types';
import { groupBy } from './group.rules.js';

export interface ExecutionPay {
  jobId: string;
  executionId: string;
  nodeId: string;
  /** Owner of the node. */
  ownerId: string;
  /** By `executionPay` of price.rules; zero for the submitter's own nodes. */
  amountMicro: MicroUsd;
}

/** Pay of one job to one owner: one transfer, whatever number of executions it is for. */
export interface PayTransfer {
  /** That of the first execution it pays: since a transfer's id is its key, nobody is paid twice for that one whatever goes wrong. */
  id: string;
  jobId: string;
  ownerId: string;
  amountMicro: MicroUsd;
  pays: ExecutionPay[];
}

/** Which transfer pays which executions. Their rows name it (`paidMicro`, `transferId`), written with their verdicts. */
export function payTransfers(pays: readonly ExecutionPay[]): PayTransfer[] {
  const due = pays.filter((pay) => pay.amountMicro > 0n);
  return [...groupBy(due, (pay) => `${pay.jobId} ${pay.ownerId}`).values()].map((group) => {
    const { executionId, jobId, ownerId, amountMicro } = sumOf(group);
    return { id: executionId, jobId, ownerId, amountMicro, pays: group };
  });
}

/** The first of a group, with the amount of all. */
export function sumOf(group: readonly ExecutionPay[]): ExecutionPay {
  const [first] = group;
  if (!first) throw new Error('a group has at least one member');
  return { ...first, amountMicro: group.reduce((sum, pay) => sum + pay.amountMicro, 0n) };
}
