import { z } from 'zod';
import { ApiKeyScope, Role } from '../enums.js';
import { Account, ApiKeyInfo, ApiKeyKind, SessionTokens, SshKeyInfo } from '../entities/account.js';
import { Uuid } from '../units.js';
import { Empty, operation } from './operation.js';

const Email = z.email().max(254).transform((email) => email.toLowerCase());
const Password = z.string().min(10, 'must have at least 10 characters').max(200);

export const identityOperations = {
  signUp: operation({
    method: 'POST', path: '/api/v1/auth/sign-up', tag: 'identity', summary: 'Make a local account and open a session',
    auth: { kind: 'public' }, owner: 'none',
    body: z.object({ email: Email, password: Password, role: Role.default('BOTH') }),
    status: 201, response: SessionTokens, problems: ['email_taken', 'rate_limited'],
  }),
  signIn: operation({
    method: 'POST', path: '/api/v1/auth/sign-in', tag: 'identity', summary: 'Open a session',
    auth: { kind: 'public' }, owner: 'none',
    body: z.object({ email: Email, password: z.string().max(200) }),
    status: 200, response: SessionTokens, problems: ['bad_credentials', 'rate_limited'],
  }),
  refreshSession: operation({
    method: 'POST', path: '/api/v1/auth/refresh', tag: 'identity', summary: 'Trade the refresh token for new tokens; a used one ends the session',
    auth: { kind: 'public' }, owner: 'none',
    body: z.object({ refresh_token: z.string().max(500) }),
    status: 200, response: SessionTokens, problems: ['session_expired'],
  }),
  signOut: operation({
    method: 'POST', path: '/api/v1/auth/sign-out', tag: 'identity', summary: 'End this session',
    auth: { kind: 'user', scope: 'read' }, owner: 'self', status: 200, response: Empty, problems: [],
  }),
  getAccount: operation({
    method: 'GET', path: '/api/v1/account', tag: 'identity', summary: 'Who am I',
    auth: { kind: 'user', scope: 'read' }, owner: 'self', status: 200, response: Account, problems: [],
  }),
  createApiKey: operation({
    method: 'POST', path: '/api/v1/api-keys', tag: 'identity', summary: 'Make an API key or a host API key; shown once',
    auth: { kind: 'user', scope: 'account' }, owner: 'self',
    body: z.object({
      name: z.string().min(1).max(100),
      kind: ApiKeyKind.default('user'),
      scopes: z.array(ApiKeyScope).min(1).max(4).default(['read', 'rent', 'host']),
      expires_in_s: z.number().int().min(60).max(10 * 365 * 86_400).optional(),
    }),
    status: 201, response: ApiKeyInfo.extend({ key: z.string() }).meta({ id: 'NewApiKey' }), problems: [],
  }),
  listApiKeys: operation({
    method: 'GET', path: '/api/v1/api-keys', tag: 'identity', summary: 'API keys of this account',
    auth: { kind: 'user', scope: 'account' }, owner: 'self',
    status: 200, response: z.object({ items: z.array(ApiKeyInfo) }), problems: [],
  }),
  revokeApiKey: operation({
    method: 'DELETE', path: '/api/v1/api-keys/{api_key_id}', tag: 'identity', summary: 'Revoke a key; effective at once',
    auth: { kind: 'user', scope: 'account' }, owner: 'api_key', params: z.object({ api_key_id: Uuid }),
    status: 200, response: ApiKeyInfo, problems: ['not_found'],
  }),
  addSshKey: operation({
    method: 'POST', path: '/api/v1/ssh-keys', tag: 'identity', summary: 'Register an SSH public key',
    auth: { kind: 'user', scope: 'rent' }, owner: 'self',
    body: z.object({ name: z.string().min(1).max(100), public_key: z.string().min(1).max(8192) }),
    status: 201, response: SshKeyInfo, problems: ['weak_key', 'key_in_use'],
  }),
  listSshKeys: operation({
    method: 'GET', path: '/api/v1/ssh-keys', tag: 'identity', summary: 'SSH keys of this account',
    auth: { kind: 'user', scope: 'read' }, owner: 'self',
    status: 200, response: z.object({ items: z.array(SshKeyInfo) }), problems: [],
  }),
  deleteSshKey: operation({
    method: 'DELETE', path: '/api/v1/ssh-keys/{ssh_key_id}', tag: 'identity', summary: 'Remove an SSH key (running rentals keep it)',
    auth: { kind: 'user', scope: 'rent' }, owner: 'ssh_key', params: z.object({ ssh_key_id: Uuid }),
    status: 200, response: Empty, problems: ['not_found'],
  }),
} as const;
