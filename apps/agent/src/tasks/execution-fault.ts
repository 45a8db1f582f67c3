import type { ExecutionFault } from '@muster/shared-types';

export type ExecutionFaultCode = ExecutionFault['code'];

/** What ends an execution without a result, on its way to its report. */
export class ExecutionFaultError extends Error {
  override readonly name = 'ExecutionFaultError';
  readonly fault: ExecutionFault;
  constructor(code: ExecutionFaultCode, blame: ExecutionFault['blame'], message: string) {
    super(message);
    this.fault = { code, blame, message: message.slice(0, 2000) };
  }
}

/** The job's own doing: it would happen on any machine. */
export const jobFault = (code: ExecutionFaultCode, message: string): ExecutionFaultError => new ExecutionFaultError(code, 'job', message);
/** This machine's doing: another one may do better. */
export const nodeFault = (code: ExecutionFaultCode, message: string): ExecutionFaultError => new ExecutionFaultError(code, 'node', message);
