import { Injectable } from '@nestjs/common';
import { parsePublicKey, verifyBatch, type PublicKey } from '@muster/proof';
import { fail, ok, reportLeaf, RESULTS_DOMAIN, resultsStatement, type ReportOutcome, type Result, type TaskResults } from '@muster/shared-types';
import { Db } from '../../platform/db.js';
import { readReport } from './report.rules.js';
import { Tally } from './tally.js';

const KEEP_KEYS = 20_000;

/** A node's signed batch of results: the signature is checked here, everything else where runs end. */
@Injectable()
export class TaskResultsOfNode {
  readonly #keys = new Map<string, PublicKey>();

  constructor(
    private readonly db: Db,
    private readonly tally: Tally,
  ) {}

  /** `nodeId` has proven its key on the socket; the batch is signed with the same one, so that it can be shown to others. */
  async take(nodeId: string, batch: TaskResults): Promise<Result<ReportOutcome[]>> {
    const publicKey = await this.#keyOf(nodeId);
    if (!publicKey) return fail('bad_signature', { detail: 'This node has no key' });
    const { root, count, signature, seq, results } = batch;
    const leaves = results.map(reportLeaf);
    const statement = (head: { root: string; count: number }) => resultsStatement({ v: 1, node_id: nodeId, seq, ...head });
    const verdict = verifyBatch({ publicKey, domain: RESULTS_DOMAIN, leaves, statement, root, count, signature });
    if (verdict !== 'ok') return fail('bad_signature', { detail: WORDS[verdict] });
    const outcomes = await this.tally.report(results.map((report) => readReport(nodeId, report, seq)), { nodeId, seq, root, count, signature });
    return ok(results.map((report, i) => ({ execution_id: report.execution_id, ...(outcomes[i] ?? { outcome: 'unknown' as const }) })));
  }

  async #keyOf(nodeId: string): Promise<PublicKey | undefined> {
    const known = this.#keys.get(nodeId);
    if (known) return known;
    const node = await this.db.client.hostNode.findUnique({ where: { id: nodeId }, select: { publicKey: true } });
    const key = node?.publicKey == null ? undefined : parsePublicKey(node.publicKey);
    if (this.#keys.size >= KEEP_KEYS) this.#keys.clear();
    if (key) this.#keys.set(nodeId, key);
    return key;
  }
}

const WORDS = {
  wrong_count: 'The batch names another number of results than it has',
  wrong_root: 'The results are not those that were signed',
  wrong_signature: 'The signature is not of this node',
} as const;
