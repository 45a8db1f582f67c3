import type { InstanceSpec } from '@muster/shared-types';

export const RENTAL_LABEL = 'muster.rental';
export const EPOCH_LABEL = 'muster.epoch';
export const SPEC_LABEL = 'muster.spec';
export const NODE_LABEL = 'muster.node';
export const IMAGE_HASH_LABEL = 'muster.image.hash';
/** Ids of an execution of a job, on its container. */
export const EXECUTION_LABEL = 'muster.execution';
export const ATTEMPT_LABEL = 'muster.attempt';
/** Boot of the machine in which an execution's container was made. */
export const BOOT_LABEL = 'muster.boot';
/** Set when the instance has an `onstart`. */
export const ONSTART_LABEL = 'muster.onstart';
export const GPUS_LABEL = 'muster.gpus';

export const containerName = (rentalId: string): string => `muster-${rentalId}`;

/** An instance's whole identity lies on its container: a killed agent forgets nothing. */
export function instanceLabels(spec: InstanceSpec, nodeId: string): Record<string, string> {
  return {
    [RENTAL_LABEL]: spec.rental_id,
    [EPOCH_LABEL]: String(spec.epoch),
    [SPEC_LABEL]: spec.spec_hash,
    [NODE_LABEL]: nodeId,
    [GPUS_LABEL]: spec.resource_limits.gpu_uuids.join(','),
    ...(spec.onstart === '' ? {} : { [ONSTART_LABEL]: '1' }),
  };
}
