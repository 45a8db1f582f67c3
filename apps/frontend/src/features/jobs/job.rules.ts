import type { JobStatus, TaskStatus } from '@muster/shared-types';
import type { Tone } from '@/lib/tone.rules';

export const isJobOver = (status: JobStatus): boolean => status === 'completed' || status === 'failed' || status === 'cancelled';

export const TASK_TONE: Record<TaskStatus, Tone> = { open: 'starting', quorum_pending: 'starting', disputed: 'attention', final: 'running', failed: 'failed', cancelled: 'offline' };

/** A link to the API's own address, as one of this site: what a page may fetch. */
export function ownLink(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** Results as people read them; bytes that are no text are named, not shown. */
export function readable(result: string | null, encoding: 'utf8' | 'base64'): string | undefined {
  return result === null || encoding === 'base64' ? undefined : result;
}
