import { fail, ok, type Result } from '@muster/shared-types';
import type { PrismaClient } from '@muster/prisma';

/**
 * The public keys that are let in: those named, or all of the account. A template with SSH needs at least one; one
 * without needs none. A key id of somebody else is refused like one that does not exist.
 */
export async function authorizedKeys(db: PrismaClient, userId: string, wantedIds: readonly string[] | undefined, ssh: boolean): Promise<Result<string[]>> {
  const keys = await db.sshKey.findMany({
    where: { userId, ...(wantedIds ? { id: { in: [...wantedIds] } } : {}) },
    select: { publicKey: true },
    orderBy: { createdAt: 'asc' },
    take: 64,
  });
  if (wantedIds && keys.length < new Set(wantedIds).size) {
    return fail('invalid_request', { errors: [{ path: 'body.ssh_key_ids', message: 'names a key that this account does not have' }] });
  }
  if (ssh && keys.length === 0) return fail('ssh_key_required', { hint: 'Register one: POST /api/v1/ssh-keys, or `muster keys`' });
  return ok(ssh ? keys.map((key) => key.publicKey) : []);
}
