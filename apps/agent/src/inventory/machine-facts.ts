/** What the machine is, without its engine and its GPUs. */
export interface MachineFacts {
  hostname: string;
  os: string;
  kernel: string;
  arch: string;
  boot_id: string;
  cpu_name: string;
  /** Logical CPUs that the agent may use. */
  cpus: number;
  /** CPUs that a cgroup around the agent allows; null = no limit. */
  cpu_quota: number | null;
  /** MiB, or the limit of the cgroup around the agent where that is less. */
  ram_mb: number;
  cgroup_version: 1 | 2 | null;
  /** Controllers that limits need and this kernel does not have. */
  cgroup_missing: string[];
  user_namespaces: boolean;
  seccomp: boolean;
  /** Hard limit of open files. */
  nofile: number;
  /** Version, or null when it cannot be run. */
  nft: string | null;
  /** NVIDIA Container Toolkit. */
  toolkit: string | null;
}
