/** Variables that would change how the host's GPU runtime or the dynamic loader treats the container. */
const FORBIDDEN = /^(NVIDIA_|CUDA_VISIBLE_DEVICES$|ROCR_|HIP_VISIBLE_DEVICES$|LD_|DOCKER_|MUSTER_)/;

export interface CleanEnv {
  env: Record<string, string>;
  /** Names that were left out. */
  dropped: string[];
}

/** What a tenant may set in his container. The host decides which devices it sees. */
export function cleanEnv(wanted: Readonly<Record<string, string>>): CleanEnv {
  const entries = Object.entries(wanted);
  const allowed = entries.filter(([name, value]) => !FORBIDDEN.test(name.toUpperCase()) && !value.includes('\0'));
  const names = new Set(allowed.map(([name]) => name));
  return { env: Object.fromEntries(allowed), dropped: entries.map(([name]) => name).filter((name) => !names.has(name)) };
}
