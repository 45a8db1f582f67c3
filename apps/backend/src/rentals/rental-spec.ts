import { createHash } from 'node:crypto';
import { z } from 'zod';

/** What an instance is, less its secrets: `Rental.spec`. Fixed when it is rented. */
export const RentalSpec = z.object({
  ssh: z.boolean(),
  ready_port: z.number().int().nullable(),
  jupyter_port: z.number().int().nullable(),
  authorized_keys: z.array(z.string()),
  command: z.array(z.string()),
  onstart: z.string(),
  shm_mb: z.number().int().positive(),
  gpu_name: z.string().nullable(),
  gpu_uuids: z.array(z.string()),
  gpu_indices: z.array(z.string()),
});
export type RentalSpec = z.infer<typeof RentalSpec>;

/** Where the instance is reached: `Rental.connectionInfo`. */
export const RentalConnection = z.object({ host: z.string(), ports: z.record(z.string(), z.number().int()) });
export type RentalConnection = z.infer<typeof RentalConnection>;

/** What lies sealed in `Rental.sealedSecrets`. */
export const RentalSecrets = z.object({
  env: z.record(z.string(), z.string()),
  ssh_host_key: z.string().nullable(),
  jupyter_token: z.string().nullable(),
});
export type RentalSecrets = z.infer<typeof RentalSecrets>;

/** Shared memory: a quarter of the RAM, at least Docker's own default. */
export const shmMb = (ramMb: number): number => Math.max(64, Math.floor(ramMb / 4));

/** SHA-256 (hex) over everything that makes one instance differ from another. */
export function specHash(parts: { image: string; cpuCores: number; ramMb: number; diskGb: number; spec: RentalSpec; connection: RentalConnection; secrets: RentalSecrets }): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
