import { z } from 'zod';
import { ApiKeyScope, Role } from '../enums.js';
import { Timestamp, UsdString, Uuid } from '../units.js';

export const Account = z
  .object({
    id: Uuid,
    email: z.string(),
    role: Role,
    is_operator: z.boolean(),
    created_at: Timestamp,
  })
  .meta({ id: 'Account' });
export type Account = z.infer<typeof Account>;

/** A session: a short-lived RS256 access token and a refresh token that is good once. */
export const SessionTokens = z
  .object({
    access_token: z.string(),
    access_expires_at: Timestamp,
    refresh_token: z.string(),
    refresh_expires_at: Timestamp,
    session_id: Uuid,
    account: Account,
  })
  .meta({ id: 'SessionTokens' });
export type SessionTokens = z.infer<typeof SessionTokens>;

export const ApiKeyKind = z.enum(['user', 'host']);

export const ApiKeyInfo = z
  .object({
    id: Uuid,
    kind: ApiKeyKind,
    name: z.string(),
    /** First and last characters, enough to recognise it. */
    hint: z.string(),
    scopes: z.array(ApiKeyScope),
    created_at: Timestamp,
    expires_at: Timestamp.nullable(),
    last_used_at: Timestamp.nullable(),
    revoked_at: Timestamp.nullable(),
  })
  .meta({ id: 'ApiKey' });
export type ApiKeyInfo = z.infer<typeof ApiKeyInfo>;

export const SshKeyInfo = z
  .object({ id: Uuid, name: z.string(), public_key: z.string(), fingerprint: z.string(), type: z.string(), created_at: Timestamp })
  .meta({ id: 'SshKey' });
export type SshKeyInfo = z.infer<typeof SshKeyInfo>;

/** Money now. `available_usd` = prepaid less what running rentals have used since they were last settled. */
export const BalanceView = z
  .object({
    balance_usd: UsdString,
    available_usd: UsdString,
    burn_usd_per_hour: UsdString,
    zero_at: Timestamp.nullable(),
    earnings_usd: UsdString,
    as_of: Timestamp,
  })
  .meta({ id: 'Balance' });
export type BalanceView = z.infer<typeof BalanceView>;

/** One line of the statement. `amount_usd` is positive; `type` says the direction. */
export const StatementLine = z
  .object({
    id: Uuid,
    at: Timestamp,
    type: z.enum(['CREDIT', 'DEBIT']),
    amount_usd: UsdString,
    kind: z.string(),
    memo: z.string(),
    reference_id: Uuid.nullable(),
    transfer_id: Uuid,
  })
  .meta({ id: 'StatementLine' });
export type StatementLine = z.infer<typeof StatementLine>;
