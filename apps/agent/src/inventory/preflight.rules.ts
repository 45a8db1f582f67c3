import type { PreflightRecord } from '@muster/shared-types';
import { engineChecks } from './preflight-engine.rules.js';
import type { PreflightFacts, PreflightPolicy } from './preflight-facts.js';
import { gpuChecks } from './preflight-gpu.rules.js';
import { hostChecks } from './preflight-host.rules.js';

/**
 * Every check of a machine, in the order in which a person would mend them. A record with status `fail` keeps the node
 * from being listed; `warn` is shown to its owner and to renters; `skipped` could not be measured or does not apply.
 * Ids are stable: `kernel`, `arch`, `cgroup`, `user_namespaces`, `seccomp`, `cpu`, `ram`, `nofile`, `clock`,
 * `firewall`, `frpc`, `docker`, `engine`, `runc`, `disk_kind`, `disk_free`, and on GPU machines `gpu_driver`,
 * `gpu_state`, `gpu_ecc`, `gpu_mig`, `gpu_toolkit`.
 */
export function preflight(facts: PreflightFacts, policy: PreflightPolicy = { unsafeGpuRuntime: 'fail' }): PreflightRecord[] {
  return [...hostChecks(facts), ...engineChecks(facts, policy), ...gpuChecks(facts, policy)];
}

/** Nothing keeps the machine from being listed. */
export const isListable = (records: readonly PreflightRecord[]): boolean => records.every(({ status }) => status !== 'fail');
