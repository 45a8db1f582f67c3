import { Injectable } from '@nestjs/common';
import { fail, ok, type Result, type SshKeyInfo } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { sshKeyView } from './account.view.js';
import { parseSshPublicKey } from './ssh-key.rules.js';

const MAX_LISTED = 500;

/** SSH public keys of an account: what may log in to its instances. */
@Injectable()
export class SshKeys {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  /** Fails with `invalid_request`, `weak_key` or `key_in_use` (by this account; others may have the same key). */
  async add(userId: string, name: string, text: string): Promise<Result<SshKeyInfo>> {
    const parsed = parseSshPublicKey(text);
    if (!parsed.ok) return parsed;
    const { line, fingerprint } = parsed.value;
    const row = { id: newId(), userId, name, publicKey: line, fingerprint, createdAt: this.clock.now() };
    const { count } = await this.db.client.sshKey.createMany({ data: [row], skipDuplicates: true });
    return count === 1 ? ok(sshKeyView(row)) : fail('key_in_use', { facts: { fingerprint } });
  }

  async list(userId: string): Promise<SshKeyInfo[]> {
    const rows = await this.db.client.sshKey.findMany({ where: { userId }, orderBy: { createdAt: 'desc' }, take: MAX_LISTED });
    return rows.map(sshKeyView);
  }

  /** Fails with `not_found`. */
  async remove(userId: string, id: string): Promise<Result<void>> {
    const { count } = await this.db.client.sshKey.deleteMany({ where: { id, userId } });
    return count === 1 ? ok(undefined) : fail('not_found', { detail: 'You have no such SSH key' });
  }
}
