import { Injectable } from '@nestjs/common';
import { fail, ok, workerStatement, type jobOperations, type OperationInput, type ReportOutcome, type Result } from '@muster/shared-types';
import { provesKey } from '../../fleet/node-key.rules.js';
import { Db } from '../../platform/db.js';
import { readReport, type RunReport } from '../tally/report.rules.js';
import { Tally } from '../tally/tally.js';

type Body = OperationInput<typeof jobOperations.reportResult>['body'];

/** One result of a node that only speaks HTTP. The same again changes nothing and is answered as a duplicate. */
@Injectable()
export class ReportResult {
  constructor(
    private readonly db: Db,
    private readonly tally: Tally,
  ) {}

  async run(ownerId: string, body: Body): Promise<Result<ReportOutcome>> {
    const node = await this.db.client.hostNode.findFirst({ where: { id: body.node_id, ownerId, transport: 'http' }, select: { publicKey: true } });
    const execution = await this.db.client.jobExecution.findFirst({ where: { id: body.execution_id, nodeId: body.node_id }, select: { attempt: true } });
    if (!node || !execution) return fail('not_found', { detail: 'This node has no such execution' });
    const attempt = body.attempt ?? execution.attempt;
    const statement = workerStatement({ execution_id: body.execution_id, attempt, result_hash: body.result_hash });
    if (node.publicKey !== null && !provesKey(node.publicKey, statement, body.signature ?? '')) return fail('bad_signature');
    const report = readReport(body.node_id, { ...body, attempt, manifest: null, fault: body.error, image_digest: null }, null);
    if (report.refused !== null) return fail('bad_result', { detail: report.refused });
    return await this.#count(report);
  }

  async #count(report: RunReport & { refused: string | null }): Promise<Result<ReportOutcome>> {
    const [answer = { outcome: 'unknown' as const }] = await this.tally.report([report], null);
    if (answer.outcome === 'stale') return fail('stale_message', answer.detail === undefined ? {} : { detail: answer.detail });
    if (answer.outcome === 'unknown') return fail('not_found', { detail: 'This node has no such execution' });
    return ok({ execution_id: report.executionId, ...answer });
  }
}
