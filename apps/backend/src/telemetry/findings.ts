import { Injectable } from '@nestjs/common';
import { fail, FindingSeverity, ok, type NodeFinding, type Result } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { remediationOf } from './health.rules.js';
import { ownsNode } from './slots.store.js';

const SHOWN_DAYS = 30;

/** What is, and lately was, wrong with a machine, for its owner. */
@Injectable()
export class Findings {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  async ofNode(ownerId: string, nodeId: string): Promise<Result<{ items: NodeFinding[] }>> {
    if (!(await ownsNode(this.db, ownerId, nodeId))) return fail('not_found', { detail: 'You have no such node' });
    const since = new Date(this.clock.now().getTime() - SHOWN_DAYS * 86_400_000);
    const rows = await this.db.client.nodeFinding.findMany({
      where: { nodeId, OR: [{ clearedAt: null }, { clearedAt: { gte: since } }] },
      orderBy: [{ since: 'desc' }, { id: 'desc' }],
      take: 200,
    });
    return ok({
      items: rows.map((row) => ({
        id: row.id, code: row.code, gpu_uuid: row.gpuUuid, severity: FindingSeverity.parse(row.severity), message: row.message,
        remediation: remediationOf(row.code), since: row.since.toISOString(), cleared_at: row.clearedAt?.toISOString() ?? null,
      })),
    });
  }
}
