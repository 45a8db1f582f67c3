import { z } from 'zod';

export const GpuInventory = z.object({
  uuid: z.string().min(1).max(100),
  index: z.number().int().nonnegative().max(1023),
  /** NVML name without "NVIDIA"/"GeForce", e.g. `RTX 4090`, `H100 SXM`. */
  name: z.string().min(1).max(100),
  gpu_ram_mb: z.number().int().nonnegative().max(100_000_000),
  compute_cap: z.number().int().nullable(),
  pcie_gen: z.number().int().nullable(),
  pcie_width: z.number().int().nullable(),
  serial: z.string().max(100).nullable(),
  state: z.enum(['ok', 'unknown', 'lost']),
  mig: z.boolean(),
});
export type GpuInventory = z.infer<typeof GpuInventory>;

/** One check of a machine, kept and shown to renters as it was measured. */
export const PreflightRecord = z
  .object({
    id: z.string().max(100),
    title: z.string().max(200),
    actual: z.string().max(500),
    required: z.string().max(500),
    operator: z.enum(['eq', 'gte', 'lte', 'in', 'is', 'info']),
    unit: z.string().max(50),
    status: z.enum(['pass', 'warn', 'fail', 'skipped']),
    remediation: z.string().max(1000),
  })
  .meta({ id: 'PreflightRecord' });
export type PreflightRecord = z.infer<typeof PreflightRecord>;

/** What a machine says it is. Sent at enrolment, at every connect, and when it changes. */
export const Inventory = z
  .object({
    hostname: z.string().max(255),
    os: z.string().max(200),
    kernel: z.string().max(200),
    arch: z.string().max(20),
    boot_id: z.string().max(100),
    cpu_name: z.string().max(200),
    /** Logical CPUs offered to the market. */
    cpu_cores: z.number().int().positive().max(65_536),
    /** MiB offered to the market (what the host keeps for itself is taken off). */
    cpu_ram_mb: z.number().int().positive().max(1_000_000_000),
    /** GB offered to the market: the size of the engine's own file system less its reserve. */
    disk_gb: z.number().int().nonnegative().max(100_000_000),
    gpus: z.array(GpuInventory).max(64),
    driver_version: z.string().max(100).nullable(),
    /** ×100, e.g. 1208 for CUDA 12.8; null without a GPU. */
    cuda_max_good: z.number().int().nullable(),
    docker: z.object({ version: z.string().max(100), api_version: z.string().max(20), storage_driver: z.string().max(50), userns: z.boolean(), runc: z.string().max(50) }).nullable(),
    /** `basic`: hardened runc; `full`: also a runc and toolkit without known escapes. */
    isolation: z.enum(['basic', 'full']),
    /** Images present by reference or local template name, so that a quote can say how soon it starts. */
    images: z.array(z.string().max(500)).max(500),
    /** Words a job may ask for: `runtime:gvisor`, `model:…`. */
    capabilities: z.array(z.string().max(200)).max(200).default([]),
    preflight: z.array(PreflightRecord).max(100),
    agent_version: z.string().max(50),
  })
  .meta({ id: 'Inventory' });
export type Inventory = z.infer<typeof Inventory>;
