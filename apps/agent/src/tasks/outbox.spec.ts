import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ExecutionReport, JOB_LIMITS, makeProblem, type ProblemCode, reportLeaf, RESULTS_DOMAIN, resultsStatement, type TaskResults } from '@muster/shared-types';
import { parsePublicKey, verifyBatch } from '@muster/proof';
import { until } from '@muster/testkit/frp/until';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testExecution } from '../../test/support/execution.js';
import { loadOrCreateIdentity, type NodeIdentity } from '../identity.js';
import type { Connection } from '../link/connection.js';
import { Journal } from './journal.js';
import { Outbox } from './outbox.js';
import { keyOf } from './sandbox-spec.js';

const NODE = randomUUID();
/** What a message of the market may have. */
const MESSAGE_BYTES = 8 * 2 ** 20;

describe('results on their way', () => {
  let root: string;
  let identity: NodeIdentity;
  let sent: TaskResults[];
  let acked: string[];
  let nacks: ProblemCode[];
  let proven: boolean;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'muster-outbox-'));
    identity = await loadOrCreateIdentity(join(root, 'key'));
    [sent, acked, nacks, proven] = [[], [], [], true];
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  const send = async (_: string, batch: TaskResults): Promise<unknown> => {
    sent.push(structuredClone(batch));
    const nack = nacks.shift();
    return nack ? { ok: false, problem: makeProblem(nack) } : { ok: true, outcomes: batch.results.map(({ execution_id }) => ({ execution_id, outcome: 'counted' })) };
  };
  const connection = { send, get proven() { return proven; } } as unknown as Connection;

  async function open(): Promise<{ outbox: Outbox; journal: Journal }> {
    const journal = await Journal.open(join(root, 'tasks'));
    return { journal, outbox: await Outbox.open({ connection: () => connection, journal, identity, nodeId: NODE, log: pino({ level: 'silent' }), onAcked: (key) => acked.push(key) }) };
  }

  /** As `Tasks` does: on disk first. */
  async function report(journal: Journal, changes: Partial<ExecutionReport> = {}): Promise<ExecutionReport> {
    const spec = testExecution();
    const none = { result: null, result_encoding: 'utf8', manifest: null, exit_code: 0, fault: null, logs: '', duration_ms: 1, image_digest: null } as const;
    const made = { execution_id: spec.execution_id, attempt: spec.attempt, result_hash: 'a'.repeat(64), ...none, ...changes };
    await journal.add(spec);
    await journal.finish(keyOf(spec), made);
    return made;
  }

  it('are signed by the node, numbered without a gap, and leave nothing when they are taken', async () => {
    const { outbox, journal } = await open();
    for (let at = 0; at < 3; at += 1) {
      outbox.add(await report(journal));
      await until('it is taken', () => outbox.isEmpty);
    }
    const key = parsePublicKey(identity.publicKey);
    for (const { results, seq, root: claimed, count, signature } of sent) {
      const statement = (head: { root: string; count: number }) => resultsStatement({ v: 1, node_id: NODE, seq, ...head });
      expect(key && verifyBatch({ publicKey: key, domain: RESULTS_DOMAIN, leaves: results.map(reportLeaf), statement, root: claimed, count, signature })).toBe('ok');
    }
    expect(sent.map((batch) => batch.seq)).toEqual([1, 2, 3]);
    expect(await journal.load()).toEqual([]);
    expect(await readdir(join(root, 'tasks', 'batches'))).toEqual([]);
    expect(await journal.nextSeq()).toBe(4);
  });

  it('are gathered while a message is under way, and fit into one', async () => {
    proven = false;
    const { outbox, journal } = await open();
    const reports = await Promise.all(Array.from({ length: JOB_LIMITS.reportsPerBatch + 5 }, (_, at) => report(journal, at < 20 ? { result: '\u0001'.repeat(JOB_LIMITS.resultBytes), logs: 'é'.repeat(JOB_LIMITS.logChars) } : {})));
    for (const one of reports) outbox.add(one);
    proven = true;
    await outbox.flush();
    expect(sent.flatMap((batch) => batch.results.map(keyOf))).toEqual(reports.map(keyOf));
    for (const batch of sent) expect(Buffer.byteLength(JSON.stringify(batch))).toBeLessThan(MESSAGE_BYTES);
    expect(sent.length).toBeGreaterThan(5);
  });

  it('come again unchanged until they are answered, from the next agent too', async () => {
    nacks = ['unavailable'];
    const { outbox, journal } = await open();
    outbox.add(await report(journal));
    await until('it was refused', () => sent.length === 1);
    const next = await open();
    for (const entry of await next.journal.load()) if (entry.report) next.outbox.add(entry.report);
    await until('it is taken', () => next.outbox.isEmpty);
    expect(sent[1]).toEqual(sent[0]);
    expect(acked).toHaveLength(1);
  });

  it('that are refused for good hold up nobody', async () => {
    nacks = ['bad_signature'];
    const { outbox, journal } = await open();
    outbox.add(await report(journal));
    outbox.add(await report(journal));
    await until('all are gone', () => outbox.isEmpty);
    expect(acked).toHaveLength(2);
  });
});
