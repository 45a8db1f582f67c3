import { Injectable } from '@nestjs/common';
import { fail, ok, type Result } from '@muster/shared-types';
import { Clock } from '../../platform/clock.js';
import { Db } from '../../platform/db.js';
import { newId } from '../../platform/ids.js';
import { Storage } from '../../storage/storage.port.js';
import { uploadKey } from './keys.rules.js';

/** A large file over a slow line may begin late. */
const LINK_TTL_S = 6 * 3600;
/** All uploads of one account that are kept, together. */
export const UPLOADS_PER_ACCOUNT_BYTES = 100 * 1024 ** 3;

export interface NewUpload {
  upload_id: string;
  put_url: string;
  put_headers: Record<string, string>;
  expires_at: string;
}

/** Files that people bring, to be named by jobs as inputs. */
@Injectable()
export class Uploads {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly storage: Storage,
  ) {}

  /** A place for one file of this length and SHA-256, and the link that takes it. */
  async create(userId: string, { size, sha256 }: { size: number; sha256: string }): Promise<Result<NewUpload>> {
    const now = this.clock.now();
    const { _sum } = await this.db.client.upload.aggregate({ where: { userId }, _sum: { size: true } });
    if (Number(_sum.size ?? 0n) + size > UPLOADS_PER_ACCOUNT_BYTES) {
      return fail('payload_too_large', { detail: `Uploads of one account may have ${UPLOADS_PER_ACCOUNT_BYTES} bytes together`, hint: 'Older ones are deleted in time; larger inputs can be fetched from https:// or s3://' });
    }
    const id = newId();
    await this.db.client.upload.create({ data: { id, userId, size, sha256, createdAt: now } });
    const { url, headers } = await this.storage.signedPut(uploadKey(id), { ttlS: LINK_TTL_S, maxBytes: size, sha256 });
    return ok({ upload_id: id, put_url: url, put_headers: headers, expires_at: new Date(now.getTime() + LINK_TTL_S * 1000).toISOString() });
  }

  /** Marks those of these uploads whose bytes have come. They come to the storage, which may be somebody else's, so they are looked for. */
  async notice(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const open = await this.db.client.upload.findMany({ where: { id: { in: [...ids] }, storedAt: null } });
    for (const { id, size } of open) {
      if ((await this.storage.stat(uploadKey(id))) !== Number(size)) continue;
      await this.db.client.upload.updateMany({ where: { id, storedAt: null }, data: { storedAt: this.clock.now() } });
    }
  }
}
