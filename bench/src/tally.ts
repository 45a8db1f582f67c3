/**
 * The pure decision of a task, without a database: decisions per second over tasks with so many runs each, most of them
 * agreeing. Prints one JSON line.
 */
import { cpus } from 'node:os';
import { type Policy, type Run, tally } from '@muster/backend/jobs/tally/tally.rules';
import { numbers } from './own-postgres.js';

const sizes = numbers({ tasks: 200_000, liars: 10 });
const HASHES = ['a'.repeat(64), 'b'.repeat(64)] as const;

function run(task: number, copy: number, lies: boolean): Run {
  const nodeId = `node-${copy}`;
  return {
    id: `${task}-${copy}`, copy, attempt: 1, purpose: 'copy', nodeId, ownerId: nodeId, key: nodeId, status: 'reported', verdict: 'none', resultHash: HASHES[lies ? 1 : 0], bytes: null,
    faultBlame: null, faultCode: null, faultMessage: null,
  };
}

function rate(copies: number, compare: Policy['compare']): number {
  const policy: Policy = { redundancy: copies, consensus: Math.floor(copies / 2) + 1, maxCopies: copies + 4, maxErrors: copies, compare };
  const tasks = Array.from({ length: 1_000 }, (_, task) => Array.from({ length: copies }, (_one, copy) => run(task, copy, (task * copies + copy) % 100 < sizes.liars)));
  const startedMs = performance.now();
  for (let n = 0; n < sizes.tasks; n += 1) tally(policy, { status: 'open', canonicalId: null }, tasks[n % tasks.length] ?? []);
  return Math.round(sizes.tasks / ((performance.now() - startedMs) / 1_000));
}

const exact = { kind: 'exact' } as const;
const figures = { decisions_per_s: { copies_3: rate(3, exact), copies_7: rate(7, exact), copies_15: rate(15, exact) } };
process.stdout.write(`${JSON.stringify({ bench: 'tally', ...sizes, ...figures, conditions: { cores: cpus().length, node: process.version } })}\n`);
