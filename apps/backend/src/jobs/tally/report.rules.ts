import type { ExecutionReport, Manifest, ReportOutcome } from '@muster/shared-types';
import { JOB_LIMITS } from '@muster/shared-types';
import { sha256Hex, sha256OfJson } from '@muster/proof';

export interface RunFault {
  code: string;
  /** `job`: would happen anywhere. `node`: this machine's doing; the copy goes elsewhere. */
  blame: 'job' | 'node';
  message: string;
}

/** What a node says one run came to, looked through. Exactly one of `resultHash` and `fault` is there. */
export interface RunReport {
  nodeId: string;
  executionId: string;
  /** Undefined: of whatever attempt is under way (plain HTTP only). */
  attempt: number | undefined;
  resultHash: string | null;
  bytes: Uint8Array | null;
  manifest: Manifest | null;
  fault: RunFault | null;
  exitCode: number | null;
  logs: string;
  durationMs: number;
  imageDigest: string | null;
  batchSeq: number | null;
}

/** A run that was taken from its node: its lease ended, or the node will not do it. */
export interface RunLoss {
  executionId: string;
  attempt: number;
  reason: string;
}

export type Outcome = ReportOutcome['outcome'];

type Wire = Pick<ExecutionReport, 'execution_id' | 'result_hash' | 'result' | 'result_encoding' | 'manifest' | 'exit_code' | 'fault' | 'logs' | 'duration_ms' | 'image_digest'> & { attempt: number | undefined };

/** A report as it came, with its bytes. What does not match its own hash, or says both or nothing, becomes a fault of the node. */
export function readReport(nodeId: string, wire: Wire, batchSeq: number | null): RunReport & { refused: string | null } {
  const bytes = wire.result === null ? null : Buffer.from(wire.result, wire.result_encoding);
  const refused = whyRefused(wire, bytes);
  const fault = refused === null ? wire.fault : { code: 'bad_result', blame: 'node' as const, message: refused };
  const done = fault === null;
  return {
    nodeId,
    executionId: wire.execution_id,
    attempt: wire.attempt,
    resultHash: done ? wire.result_hash : null,
    bytes: done ? bytes : null,
    manifest: done ? wire.manifest : null,
    fault: fault && { ...fault, message: storable(fault.message) },
    exitCode: wire.exit_code,
    logs: storable(wire.logs),
    durationMs: wire.duration_ms,
    imageDigest: wire.image_digest,
    batchSeq,
    refused,
  };
}

function whyRefused(wire: Wire, bytes: Uint8Array | null): string | null {
  if ((wire.fault === null) === (wire.result_hash === null)) return 'A report has either a result or a fault';
  if (wire.fault) return null;
  if (wire.manifest !== null) return sha256OfJson(wire.manifest) === wire.result_hash ? null : 'The manifest does not match its hash';
  if (bytes === null) return 'The result is missing';
  if (bytes.length > JOB_LIMITS.resultBytes) return `A result may have ${JOB_LIMITS.resultBytes} bytes`;
  return sha256Hex(bytes) === wire.result_hash ? null : 'The result does not match its hash';
}

/** Text as Postgres keeps it: no NUL, no half characters. */
export const storable = (text: string): string => text.replaceAll(/\0|\p{Surrogate}/gu, '\uFFFD');
