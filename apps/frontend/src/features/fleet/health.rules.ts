import type { NodeSummary, PreflightRecord } from '@muster/shared-types';

/** The health of a machine in words: the worst thing first, and only that. */
export function healthOf(node: Pick<NodeSummary, 'lifecycle' | 'presence'>, preflight: readonly PreflightRecord[] | undefined): string {
  if (node.lifecycle === 'retired') return 'left the market';
  if (node.lifecycle === 'quarantined') return 'kept off the market';
  if (node.presence === 'offline') return 'not heard of for two minutes';
  if (node.presence === 'unreachable') return 'missed its last heartbeats';
  const failed = preflight?.find(({ status }) => status === 'fail');
  if (failed) return `${failed.title} fails`;
  if (node.lifecycle !== 'verified') return 'being checked';
  const warned = preflight?.filter(({ status }) => status === 'warn').length ?? 0;
  return warned > 0 ? `good, ${warned} to look at` : 'good';
}
