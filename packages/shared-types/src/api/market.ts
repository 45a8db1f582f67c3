import { z } from 'zod';
import { Offer, Quote, QuoteRequest } from '../entities/offer.js';
import { ConnectionInfo, RentalEventView, RentalView, TemplateView } from '../entities/rental.js';
import { BalanceView, StatementLine } from '../entities/account.js';
import { UsdString, Uuid } from '../units.js';
import { LOG_WAIT_MS, LogCursor } from '../events/agent.js';
import { QUERY_LIMITS } from '../query/parse.js';
import { operation, pageOf, pageQuery } from './operation.js';

const rentalParams = z.object({ rental_id: Uuid });
const UsdQuery = z.string().regex(/^\d{1,9}(\.\d{1,6})?$/, 'must be an amount in USD such as 0.50');

export const RentRequest = QuoteRequest.extend({
  /** Repeats the quote's rate: another price → `price_changed`. */
  expected_dph_total: UsdString,
  /** Registered keys to let in; all of the account's when left out. */
  ssh_key_ids: z.array(Uuid).max(64).optional(),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/), z.string().max(8192)).default({}),
  onstart: z.string().max(16_384).optional(),
})
  .strict()
  .meta({ id: 'RentRequest' });

export const marketOperations = {
  searchOffers: operation({
    method: 'GET', path: '/api/v1/offers', tag: 'market', summary: 'What is free now: by a query such as `num_gpus=1 gpu_name=RTX_4090 dph_total<=0.5`, cheapest first or in an order such as `reliability-,dph_total`',
    auth: { kind: 'public' }, owner: 'none',
    query: z.object({
      ...pageQuery,
      /** Holds a value of every field that the list is ordered by. */
      cursor: z.string().max(4_000).optional(),
      q: z.string().max(QUERY_LIMITS.chars).optional(),
      order: z.string().min(1).max(500).optional(),
      max_price: UsdQuery.optional(),
      gpu: z.string().max(100).optional(),
      num_gpus: z.coerce.number().int().min(0).max(64).optional(),
      min_cpu_cores: z.coerce.number().int().min(1).optional(),
      min_ram_mb: z.coerce.number().int().min(1).optional(),
      min_reliability: z.coerce.number().min(0).max(1).optional(),
    }),
    status: 200, response: pageOf(Offer), problems: [],
  }),
  createQuote: operation({
    method: 'POST', path: '/api/v1/quotes', tag: 'market', summary: 'What it would cost, before paying',
    auth: { kind: 'user', scope: 'read' }, owner: 'self', body: QuoteRequest,
    status: 200, response: Quote, problems: ['offer_gone', 'unknown_template'],
  }),
  listTemplates: operation({
    method: 'GET', path: '/api/v1/templates', tag: 'market', summary: 'What can be started',
    auth: { kind: 'public' }, owner: 'none',
    status: 200, response: z.object({ items: z.array(TemplateView) }), problems: [],
  }),
  createRental: operation({
    method: 'POST', path: '/api/v1/rentals', tag: 'rentals', summary: 'Rent an offer', idempotent: true,
    auth: { kind: 'user', scope: 'rent' }, owner: 'self', body: RentRequest,
    status: 201, response: RentalView,
    problems: ['offer_gone', 'price_changed', 'insufficient_funds', 'ssh_key_required', 'unknown_template', 'ports_exhausted', 'idempotency_conflict', 'idempotency_in_flight'],
  }),
  listRentals: operation({
    method: 'GET', path: '/api/v1/rentals', tag: 'rentals', summary: 'Rentals of this account, newest first',
    auth: { kind: 'user', scope: 'read' }, owner: 'self',
    query: z.object({ ...pageQuery, state: z.enum(['live', 'all']).default('live') }),
    status: 200, response: pageOf(RentalView), problems: [],
  }),
  getRental: operation({
    method: 'GET', path: '/api/v1/rentals/{rental_id}', tag: 'rentals', summary: 'One rental, with its state, cost and legal actions',
    auth: { kind: 'user', scope: 'read' }, owner: 'rental', params: rentalParams,
    status: 200, response: RentalView, problems: ['not_found'],
  }),
  getConnection: operation({
    method: 'GET', path: '/api/v1/rentals/{rental_id}/connection', tag: 'rentals', summary: 'How to get in',
    auth: { kind: 'user', scope: 'rent' }, owner: 'rental', params: rentalParams,
    status: 200, response: ConnectionInfo, problems: ['not_found', 'action_not_allowed'],
  }),
  listRentalEvents: operation({
    method: 'GET', path: '/api/v1/rentals/{rental_id}/events', tag: 'rentals', summary: 'What happened to it',
    auth: { kind: 'user', scope: 'read' }, owner: 'rental', params: rentalParams, query: z.object({ ...pageQuery }),
    status: 200, response: pageOf(RentalEventView), problems: ['not_found'],
  }),
  getRentalLogs: operation({
    method: 'GET', path: '/api/v1/rentals/{rental_id}/logs', tag: 'rentals', summary: 'The last lines the instance printed',
    auth: { kind: 'user', scope: 'read' }, owner: 'rental', params: rentalParams,
    query: z.object({
      tail_lines: z.coerce.number().int().min(1).max(5000).default(200),
      /** The `cursor` of an earlier answer: only what came since then. */
      after: LogCursor.optional(),
      /** With `after`: how long to wait for something to come. */
      wait_s: z.coerce.number().int().min(0).max(LOG_WAIT_MS / 1_000).default(0),
    }),
    status: 200,
    /** `cursor`: for the next call; null when the machine's agent is too old to follow. `gap`: something before this text was lost. */
    response: z.object({ text: z.string(), truncated: z.boolean(), cursor: LogCursor.nullable().default(null), gap: z.boolean().default(false) }),
    problems: ['not_found', 'action_not_allowed', 'node_unreachable'],
  }),
  stopRental: operation({
    method: 'POST', path: '/api/v1/rentals/{rental_id}/stop', tag: 'rentals', summary: 'Stop it: /workspace is kept and billed, all else is freed',
    auth: { kind: 'user', scope: 'rent' }, owner: 'rental', params: rentalParams,
    status: 200, response: RentalView, problems: ['not_found', 'action_not_allowed'],
  }),
  startRental: operation({
    method: 'POST', path: '/api/v1/rentals/{rental_id}/start', tag: 'rentals', summary: 'Start a stopped one again on its machine, at its price', idempotent: true,
    auth: { kind: 'user', scope: 'rent' }, owner: 'rental', params: rentalParams,
    status: 200, response: RentalView,
    problems: ['not_found', 'action_not_allowed', 'no_capacity', 'node_unreachable', 'node_not_ready', 'insufficient_funds', 'idempotency_conflict', 'idempotency_in_flight'],
  }),
  destroyRental: operation({
    method: 'DELETE', path: '/api/v1/rentals/{rental_id}', tag: 'rentals', summary: 'End it for good; its disk is deleted',
    auth: { kind: 'user', scope: 'rent' }, owner: 'rental', params: rentalParams,
    status: 200, response: RentalView, problems: ['not_found', 'action_not_allowed'],
  }),
} as const;

export const ledgerOperations = {
  getBalance: operation({
    method: 'GET', path: '/api/v1/balance', tag: 'ledger', summary: 'Money now, burn rate and time to zero',
    auth: { kind: 'user', scope: 'read' }, owner: 'self', status: 200, response: BalanceView, problems: [],
  }),
  listStatement: operation({
    method: 'GET', path: '/api/v1/statement', tag: 'ledger', summary: 'Settled money, newest first',
    auth: { kind: 'user', scope: 'read' }, owner: 'self', query: z.object({ ...pageQuery, rental_id: Uuid.optional() }),
    status: 200, response: pageOf(StatementLine), problems: [],
  }),
} as const;
