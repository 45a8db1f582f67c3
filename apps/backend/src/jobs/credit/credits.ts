import { Injectable } from '@nestjs/common';
import { fail, formatUsd, ok, type CreditsView, type MicroUsd, type Result } from '@muster/shared-types';
import { Db } from '../../platform/db.js';
import { lastEntries, nodeCreditsOf, toEntry, type NodeCredit } from './credits.store.js';

const ENTRIES = 50;
const MICRO_PER_CREDIT = 1_000;

/** What an account or one of its nodes has earned by executions that were found valid. */
@Injectable()
export class Credits {
  constructor(private readonly db: Db) {}

  /** `owner`: `me`, the id of this account, or of one of its nodes. */
  async of(userId: string, owner: string): Promise<Result<CreditsView>> {
    const nodes = await nodeCreditsOf(this.db.client, userId);
    if (owner === 'me' || owner === userId) return ok(await this.#view({ owner: userId, kind: 'account' }, nodes, { ownerId: userId }));
    const node = nodes.find((one) => one.id === owner);
    if (!node) return fail('not_found', { detail: 'This account has no such node' });
    return ok(await this.#view({ owner: node.id, kind: 'node' }, [node], { nodeId: node.id }));
  }

  async #view(who: Pick<CreditsView, 'owner' | 'kind'>, nodes: readonly NodeCredit[], entriesOf: Parameters<typeof lastEntries>[1]): Promise<CreditsView> {
    const earned = nodes.reduce((sum, node) => sum + node.earnedMicro, 0n);
    const entries = await lastEntries(this.db.client, entriesOf, ENTRIES);
    return { ...who, credits: creditsOf(earned), earned_usd: formatUsd(earned), nodes: nodes.map(toNode), entries: entries.map(toEntry) };
  }
}

export const creditsOf = (micro: MicroUsd): number => Number(micro) / MICRO_PER_CREDIT;

const toNode = (node: NodeCredit): CreditsView['nodes'][number] => ({
  node_id: node.id,
  name: node.name,
  credits: creditsOf(node.earnedMicro),
  executions_valid: node.valid,
  executions_invalid: node.invalid,
  reputation: node.reputation,
});
