import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { operations } from './api/operations.js';
import { agentMessages } from './events/agent.js';
import { fieldErrors, makeProblem, Problem, type ProblemCode, problems } from './problems.js';

describe('problems', () => {
  it.each(Object.keys(problems) as ProblemCode[])('%s is a whole problem of its catalogue entry', (code) => {
    const problem = makeProblem(code, { detail: 'x' });
    expect(Problem.parse(problem)).toEqual(problem);
    expect(problem.status).toBeGreaterThanOrEqual(400);
  });

  it('names each bad field with its whole path', () => {
    const parsed = z.object({ a: z.object({ b: z.number() }) }).safeParse({ a: { b: 'x' } });
    expect(parsed.success ? [] : fieldErrors(parsed.error, 'body').map((one) => one.path)).toEqual(['body.a.b']);
  });
});

describe('operations', () => {
  const all = Object.entries(operations);

  it('no two share method and path', () => {
    const routes = all.map(([, one]) => `${one.method} ${one.path.replace(/\{\w+\}/g, '{}')}`);
    expect(new Set(routes).size).toBe(routes.length);
  });

  it.each(all)('%s: the parameters of its path are its params', (_, one) => {
    const named = [...one.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    expect('params' in one ? Object.keys(one.params.shape) : []).toEqual(named);
  });

  it.each(all)('%s: a thing of one owner is named in the path or the body and never open; what a path names has an owner, is a signed link, or is named by an operator', (_, one) => {
    const owned = !['none', 'self'].includes(one.owner);
    const auth: string = one.auth.kind;
    const open = auth === 'public' || auth === 'signed_link';
    if (owned) expect('params' in one || ('body' in one && 'node_id' in one.body.shape)).toBe(true);
    if (owned) expect(open).toBe(false);
    else if ('params' in one) expect(one.owner === 'self' || auth === 'signed_link' || auth === 'operator').toBe(true);
  });
});

describe('agent messages', () => {
  // The five metrics of the contract alone, as another program may send them.
  const plain = { node_id: '018f0000-0000-4000-8000-00000000000a', status: 'online', metrics: { cpu_temp: 45.5, gpu_temp: [60.0, 58.0], gpu_utilization: [80, 10], ram_usage_mb: 4096, disk_usage_gb: 120 } };

  it('takes the plain heartbeat', () => expect(agentMessages.heartbeat.payload.safeParse(plain).success).toBe(true));
  it('refuses one without its node', () => expect(agentMessages.heartbeat.payload.safeParse({ ...plain, node_id: 'x' }).success).toBe(false));
});
