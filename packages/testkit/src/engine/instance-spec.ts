import { randomUUID } from 'node:crypto';
import type { InstanceSpec } from '@muster/shared-types';
import { TEST_IMAGE } from './test-image.js';

/** A small CPU instance of the test image; anything may be overridden. */
export function testInstanceSpec(changes: Partial<InstanceSpec> = {}): InstanceSpec {
  return {
    rental_id: randomUUID(),
    image: TEST_IMAGE,
    resource_limits: { gpu_indices: [], gpu_uuids: [], cpu_cores: 1, ram_limit: '256m' },
    env_vars: {},
    proxy_port_mapping: {},
    epoch: 1,
    spec_hash: 'a'.repeat(64),
    disk_gb: 1,
    shm_mb: 64,
    ssh: null,
    command: [],
    onstart: '',
    registry_auth: null,
    lease_s: 1800,
    remaining_s: null,
    ...changes,
  };
}
