import type { Account, ApiKeyInfo, SshKeyInfo } from '@muster/shared-types';
import { ApiKeyScope } from '@muster/shared-types';
import type { Prisma } from '@muster/prisma';

export function accountView(user: Prisma.UserGetPayload<object>): Account {
  return { id: user.id, email: user.email, role: user.role, is_operator: user.isOperator, created_at: user.createdAt.toISOString() };
}

export function apiKeyView(key: Prisma.ApiKeyGetPayload<object>): ApiKeyInfo {
  return {
    id: key.id,
    kind: key.kind === 'host' ? 'host' : 'user',
    name: key.name,
    hint: key.hint,
    scopes: ApiKeyScope.array().parse(key.scopes),
    created_at: key.createdAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    revoked_at: key.revokedAt?.toISOString() ?? null,
  };
}

export function sshKeyView(key: Prisma.SshKeyGetPayload<object>): SshKeyInfo {
  const type = key.publicKey.split(' ', 1)[0] ?? '';
  return { id: key.id, name: key.name, public_key: key.publicKey, fingerprint: key.fingerprint, type, created_at: key.createdAt.toISOString() };
}
