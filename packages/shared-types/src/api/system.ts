import { z } from 'zod';
import { UsdInput, UsdString, Uuid } from '../units.js';
import { Account } from '../entities/account.js';
import { operation } from './operation.js';

export const Health = z.object({ status: z.literal('ok'), version: z.string(), uptime_s: z.number() }).meta({ id: 'Health' });
export const Readiness = z
  .object({ status: z.enum(['ready', 'not_ready']), dependencies: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string() })) })
  .meta({ id: 'Readiness' });
export const Stats = z
  .object({
    nodes: z.record(z.string(), z.number().int()),
    gpus: z.object({ total: z.number().int(), rented: z.number().int() }),
    rentals: z.record(z.string(), z.number().int()),
    users: z.number().int(),
    jobs: z.record(z.string(), z.number().int()),
    /** Of the tasks decided so far, how many found agreement; null before the first. */
    consensus_rate: z.number().nullable(),
    capacity: z.object({ cpu_cores: z.number().int(), cpu_cores_used: z.number().int(), ram_mb: z.number(), ram_mb_used: z.number() }),
    as_of: z.string(),
  })
  .meta({ id: 'Stats' });
export const LedgerCheck = z.object({ id: z.string(), title: z.string(), ok: z.boolean(), violations: z.number().int(), sample: z.array(z.string()) });

export const systemOperations = {
  health: operation({ method: 'GET', path: '/health', tag: 'system', summary: 'The process is alive', auth: { kind: 'public' }, owner: 'none', status: 200, response: Health, problems: [] }),
  ready: operation({ method: 'GET', path: '/ready', tag: 'system', summary: 'Its dependencies answer (503 when not)', auth: { kind: 'public' }, owner: 'none', status: 200, response: Readiness, problems: ['unavailable'] }),
  stats: operation({ method: 'GET', path: '/stats', tag: 'system', summary: 'Totals of this market', auth: { kind: 'public' }, owner: 'none', status: 200, response: Stats, problems: [] }),
  grantCredit: operation({
    method: 'POST', path: '/api/v1/admin/grants', tag: 'admin', summary: 'Grant test credit', idempotent: true,
    auth: { kind: 'operator' }, owner: 'none', body: z.object({ email: z.email(), amount_usd: UsdInput }).strict(),
    status: 201, response: z.object({ user_id: Uuid, email: z.string(), granted_usd: UsdString, balance_usd: UsdString }), problems: ['not_found', 'forbidden'],
  }),
  resetPassword: operation({
    method: 'POST', path: '/api/v1/admin/reset-password', tag: 'admin', summary: 'Set a new random password and end all sessions',
    auth: { kind: 'operator' }, owner: 'none', body: z.object({ email: z.email() }).strict(),
    status: 200, response: z.object({ account: Account, password: z.string() }), problems: ['not_found', 'forbidden'],
  }),
  checkLedger: operation({
    method: 'GET', path: '/api/v1/admin/ledger-check', tag: 'admin', summary: 'Run every money invariant as one SQL query each',
    auth: { kind: 'operator' }, owner: 'none',
    status: 200, response: z.object({ ok: z.boolean(), checks: z.array(LedgerCheck) }), problems: ['forbidden'],
  }),
} as const;
