import { z } from 'zod';
import { Metrics, NodeFinding } from '../entities/telemetry.js';
import { Uuid } from '../units.js';
import { operation } from './operation.js';

const epochS = z.coerce.number().int().min(0).max(4_000_000_000);

/** Seconds since 1970. Without them: the last hour. At most 1,500 points a series; a step that gives more is raised. */
export const MetricsQuery = z.object({
  from: epochS.optional(),
  to: epochS.optional(),
  step: z.coerce.number().int().min(1).max(86_400).optional(),
});

export const telemetryOperations = {
  getRentalMetrics: operation({
    method: 'GET', path: '/api/v1/rentals/{rental_id}/metrics', tag: 'telemetry', summary: 'What the instance and its GPUs did, as series; nothing from before or after the rental',
    auth: { kind: 'user', scope: 'read' }, owner: 'rental', params: z.object({ rental_id: Uuid }), query: MetricsQuery,
    status: 200, response: Metrics, problems: ['not_found', 'unavailable'],
  }),
  getNodeMetrics: operation({
    method: 'GET', path: '/api/v1/nodes/{node_id}/metrics', tag: 'telemetry', summary: 'What a machine of this account and its GPUs did, as series',
    auth: { kind: 'user', scope: 'read' }, owner: 'node', params: z.object({ node_id: Uuid }), query: MetricsQuery,
    status: 200, response: Metrics, problems: ['not_found', 'unavailable'],
  }),
  listNodeFindings: operation({
    method: 'GET', path: '/api/v1/nodes/{node_id}/findings', tag: 'telemetry', summary: 'What is wrong with a machine of this account, newest first; closed ones of the last 30 days too',
    auth: { kind: 'user', scope: 'read' }, owner: 'node', params: z.object({ node_id: Uuid }),
    status: 200, response: z.object({ items: z.array(NodeFinding) }), problems: ['not_found'],
  }),
} as const;
