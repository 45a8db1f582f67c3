import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTerminal, jobStatus, type JobFacts } from './job-status.rules.js';

const facts: fc.Arbitrary<JobFacts> = fc
  .record({
    cancelled: fc.boolean(), tasksTotal: fc.integer({ min: 1, max: 6 }), final: fc.nat(6), failed: fc.nat(6), maxErrors: fc.integer({ min: 1, max: 5 }),
    aggregate: fc.constantFrom<JobFacts['aggregate']>('none', 'due', 'made', 'failed'), ready: fc.boolean(), leased: fc.boolean(), running: fc.boolean(), started: fc.boolean(), ran: fc.boolean(),
  })
  .map(({ final, failed, ...rest }) => {
    const tasksFinal = Math.min(final, rest.tasksTotal);
    const leased = rest.leased || rest.running;
    const ran = rest.ran || rest.running;
    return { ...rest, tasksFinal, tasksFailed: Math.min(failed, rest.tasksTotal - tasksFinal), leased, ran, started: rest.started || leased || ran };
  });

const decided = (one: JobFacts): boolean => one.tasksFinal + one.tasksFailed === one.tasksTotal;
const holds = (check: (one: JobFacts) => void): void => {
  fc.assert(fc.property(facts, check), { numRuns: 2_000 });
};

describe('the status of a job', () => {
  it('is completed exactly when every task is final and the aggregate, if one was asked for, is made', () => {
    holds((one) => {
      const whole = !one.cancelled && one.tasksFinal === one.tasksTotal && (one.aggregate === 'none' || one.aggregate === 'made');
      expect(jobStatus(one) === 'completed').toBe(whole);
    });
  });

  it('is failed only when a task or the aggregate failed, and always once all are decided and one failed', () => {
    holds((one) => {
      const status = jobStatus(one);
      if (status === 'failed') expect(one.tasksFailed > 0 || one.aggregate === 'failed').toBe(true);
      if (!one.cancelled && decided(one) && one.tasksFailed > 0) expect(status).toBe('failed');
    });
  });

  it('is not terminal while a task may still become final, but when all of the first ones failed', () => {
    holds((one) => {
      if (one.cancelled || decided(one) || one.aggregate === 'failed') return;
      expect(isTerminal(jobStatus(one))).toBe(one.tasksFinal === 0 && one.tasksFailed >= one.maxErrors && one.tasksFailed > 0);
    });
  });

  it('is cancelled when its submitter said so, whatever else is true', () => {
    holds((one) => {
      expect(jobStatus({ ...one, cancelled: true })).toBe('cancelled');
    });
  });

  it('is pending exactly as long as nothing was ever leased, and never scheduled again once something ran', () => {
    holds((one) => {
      const status = jobStatus(one);
      if (status === 'pending') expect(one.started).toBe(false);
      if (!isTerminal(status) && !decided(one)) expect(status === 'pending').toBe(!one.started);
      if (one.ran) expect(status).not.toBe('scheduled');
    });
  });

  it('is verifying exactly when nothing runs or waits and something is left to be decided or made', () => {
    holds((one) => {
      const idle = one.started && !one.leased && !one.running && !one.ready;
      const status = jobStatus(one);
      if (isTerminal(status)) return;
      expect(status === 'verifying').toBe(decided(one) ? one.aggregate === 'due' : idle);
    });
  });
});
