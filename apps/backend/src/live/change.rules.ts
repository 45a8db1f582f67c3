import { formatUsd, RentalEndReason, RentalPhase, type BalanceChange, type JobChange, type NodeChange, type RentalChange } from '@muster/shared-types';
import type { BalanceRow, ExecutionCounts, JobRow, NodeRow, RentalRow } from './live-rows.store.js';

/** Rows as frames tell them. */

export function rentalChange(row: RentalRow): RentalChange {
  return {
    rental_id: row.id,
    node_id: row.nodeId,
    status: row.status,
    phase: RentalPhase.nullable().catch(null).parse(row.phase),
    phase_ms: row.phaseMs as Record<string, number>,
    start_time: row.startTime?.toISOString() ?? null,
    end_time: row.endTime?.toISOString() ?? null,
    end_reason: RentalEndReason.nullable().catch(null).parse(row.endReason),
    fault: row.faultCode === null ? null : { code: row.faultCode, message: row.faultMessage ?? '' },
    released: row.releasedAt !== null,
  };
}

export function nodeChange(row: NodeRow): NodeChange {
  return {
    node_id: row.id,
    name: row.name,
    status: row.status,
    lifecycle: row.lifecycle,
    presence: row.presence,
    listing: row.listing,
    used: { cpu_cores: row.cpuUsed, ram_mb: row.ramMbUsed, disk_gb: row.diskGbUsed, gpus: row._count.gpus },
  };
}

export function jobChange(row: JobRow, counts: ExecutionCounts): JobChange {
  const over = row.completedAt !== null;
  return {
    job_id: row.id,
    status: row.status,
    started_at: row.startedAt?.toISOString() ?? null,
    completed_at: row.completedAt?.toISOString() ?? null,
    progress: { tasks: row.tasksTotal, tasks_final: row.tasksFinal, tasks_failed: row.tasksFailed, executions_running: counts.running, executions_reported: counts.reported },
    fault: row.faultCode === null ? null : { code: row.faultCode, message: row.errorMessage ?? '' },
    waiting_for: over || row.waitingCode === null ? null : { code: row.waitingCode, message: row.waitingMessage ?? '' },
    paid_usd: formatUsd(row.paidMicro),
  };
}

export const balanceChange = (row: BalanceRow): BalanceChange => ({
  balance_usd: formatUsd(row.prepaidMicro),
  earnings_usd: formatUsd(row.earningsMicro),
  zero_at: row.zeroAt?.toISOString() ?? null,
});
