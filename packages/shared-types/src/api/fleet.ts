import { z } from 'zod';
import { Inventory } from '../entities/inventory.js';
import { EnrolResult, NodeSummary, NodeView, PricingInput } from '../entities/node.js';
import { Heartbeat, HeartbeatAck } from '../events/agent.js';
import { Timestamp, Uuid } from '../units.js';
import { operation, pageOf, pageQuery } from './operation.js';

const nodeParams = z.object({ node_id: Uuid });

export const fleetOperations = {
  createEnrolNonce: operation({
    method: 'POST', path: '/api/v1/nodes/nonce', tag: 'fleet', summary: 'A nonce to sign at enrolment; good once, for two minutes',
    auth: { kind: 'host' }, owner: 'none',
    status: 201, response: z.object({ nonce: z.string(), expires_at: Timestamp }), problems: ['rate_limited'],
  }),
  enrolNode: operation({
    method: 'POST', path: '/api/v1/nodes/enrol', tag: 'fleet', summary: 'Enrol a machine under its own Ed25519 key; the same key again gives the same node',
    auth: { kind: 'host' }, owner: 'self',
    body: z.object({
      public_key: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be a raw Ed25519 public key in base64url'),
      nonce: z.string().max(200),
      /** Ed25519 over `enrolStatement(nonce, public_key)`, base64url. */
      signature: z.string().max(200),
      name: z.string().min(1).max(100).optional(),
      geolocation: z.string().regex(/^[A-Z]{2}$/).optional(),
      region: z.string().max(100).optional(),
      /** Put the node on the market as soon as its preflight passes; false leaves that to its owner. */
      list: z.boolean().default(true),
      inventory: Inventory,
    }),
    status: 201, response: EnrolResult, problems: ['bad_signature', 'nonce_used', 'node_key_taken', 'action_not_allowed'],
  }),
  heartbeat: operation({
    method: 'POST', path: '/api/v1/nodes/{node_id}/heartbeat', tag: 'fleet', summary: 'The heartbeat of the socket, over plain HTTP',
    auth: { kind: 'host' }, owner: 'node', params: nodeParams, body: Heartbeat,
    status: 200, response: HeartbeatAck, problems: ['not_found'],
  }),
  listNodes: operation({
    method: 'GET', path: '/api/v1/nodes', tag: 'fleet', summary: 'Nodes of this account, or with `of=market` every node that is online or listed',
    auth: { kind: 'user', scope: 'read' }, owner: 'self', query: z.object({ ...pageQuery, of: z.enum(['mine', 'market']).default('mine') }),
    status: 200, response: pageOf(NodeSummary), problems: [],
  }),
  getNode: operation({
    method: 'GET', path: '/api/v1/nodes/{node_id}', tag: 'fleet', summary: 'One node of this account, with its evidence',
    auth: { kind: 'user', scope: 'read' }, owner: 'node', params: nodeParams,
    status: 200, response: NodeView, problems: ['not_found'],
  }),
  priceNode: operation({
    method: 'PATCH', path: '/api/v1/nodes/{node_id}/pricing', tag: 'fleet', summary: 'Set prices; running rentals keep theirs',
    auth: { kind: 'user', scope: 'host' }, owner: 'node', params: nodeParams, body: PricingInput,
    status: 200, response: NodeView, problems: ['not_found'],
  }),
  listNode: operation({
    method: 'POST', path: '/api/v1/nodes/{node_id}/list', tag: 'fleet', summary: 'Put the node on the market',
    auth: { kind: 'user', scope: 'host' }, owner: 'node', params: nodeParams,
    status: 200, response: NodeView, problems: ['not_found', 'preflight_failed', 'action_not_allowed'],
  }),
  unlistNode: operation({
    method: 'POST', path: '/api/v1/nodes/{node_id}/unlist', tag: 'fleet', summary: 'Take the node off the market; running rentals go on',
    auth: { kind: 'user', scope: 'host' }, owner: 'node', params: nodeParams,
    status: 200, response: NodeView, problems: ['not_found', 'action_not_allowed'],
  }),
  drainNode: operation({
    method: 'POST', path: '/api/v1/nodes/{node_id}/drain', tag: 'fleet', summary: 'Accept nothing new, finish what runs',
    auth: { kind: 'user', scope: 'host' }, owner: 'node', params: nodeParams,
    status: 200, response: NodeView, problems: ['not_found', 'action_not_allowed'],
  }),
  retireNode: operation({
    method: 'POST', path: '/api/v1/nodes/{node_id}/retire', tag: 'fleet', summary: 'Leave the market for good; ends running rentals only with `force`',
    auth: { kind: 'user', scope: 'host' }, owner: 'node', params: nodeParams, body: z.object({ force: z.boolean().default(false) }),
    status: 200, response: NodeView, problems: ['not_found', 'action_not_allowed'],
  }),
} as const;
