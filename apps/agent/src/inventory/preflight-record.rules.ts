import type { PreflightRecord } from '@muster/shared-types';

/** What is wrong and what to do; left empty in the record when the check passes. */
export interface Check extends Omit<PreflightRecord, 'unit' | 'remediation'> {
  unit?: string;
  remediation: string;
}

/** A record from a check, within the lengths of the contract. What passes needs no remedy. */
export function record(check: Check): PreflightRecord {
  return {
    ...check,
    actual: check.actual.slice(0, 500),
    required: check.required.slice(0, 500),
    unit: check.unit ?? '',
    remediation: check.status === 'pass' ? '' : check.remediation.slice(0, 1000),
  };
}

export const passOr = (holds: boolean, otherwise: 'warn' | 'fail'): PreflightRecord['status'] => (holds ? 'pass' : otherwise);

/** `pass` from `want` up, `warn` from `must` up, else `fail`. */
export function grade(actual: number, want: number, must: number): PreflightRecord['status'] {
  if (actual >= want) return 'pass';
  return actual >= must ? 'warn' : 'fail';
}
