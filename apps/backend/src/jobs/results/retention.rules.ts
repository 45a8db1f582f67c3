const DAY_MS = 86_400_000;

/** `Job.keptUntil` of a job whose results were deleted. */
export const NOTHING_KEPT = new Date(0);

/** When the results of a job are deleted; null while it has not ended. What was promised when it ended stays promised. */
export function keptUntil(job: { completedAt: Date | null; keptUntil: Date | null }, days: number): Date | null {
  if (job.keptUntil !== null) return job.keptUntil;
  return job.completedAt === null ? null : new Date(job.completedAt.getTime() + days * DAY_MS);
}

export const daysBefore = (now: Date, days: number): Date => new Date(now.getTime() - days * DAY_MS);
