import { Injectable } from '@nestjs/common';
import { Db } from '../../platform/db.js';
import { anonymousName } from './contributors.store.js';

/** Whether an account is on the contributor wall, and under which name. */
@Injectable()
export class Wall {
  constructor(private readonly db: Db) {}

  async set(userId: string, wish: { shown: boolean; name?: string | undefined }): Promise<{ shown: boolean; name: string }> {
    const data = { wallShown: wish.shown, ...(wish.name === undefined ? {} : { wallName: wish.name.trim() }) };
    const { wallShown, wallName } = await this.db.client.user.update({ where: { id: userId }, data, select: { wallShown: true, wallName: true } });
    return { shown: wallShown, name: wallName ?? anonymousName(userId) };
  }
}
