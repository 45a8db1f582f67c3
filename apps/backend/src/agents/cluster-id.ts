import { Injectable } from '@nestjs/common';
import { Db } from '../platform/db.js';

/** Names this database's history; agents obey deletions only under the one they enrolled with. */
@Injectable()
export class ClusterId {
  #known: string | undefined;

  constructor(private readonly db: Db) {}

  async get(): Promise<string> {
    this.#known ??= (await this.db.client.controlPlane.findUniqueOrThrow({ where: { id: 1 } })).clusterId;
    return this.#known;
  }
}
