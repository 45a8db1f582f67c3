import { readlink } from 'node:fs/promises';

const namespaceOf = (pid: number | 'self'): Promise<string | undefined> => readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);

/**
 * What a process says of itself (arguments, environment, working folder) proves nothing: an instance may imitate ours. But
 * an instance lives in a pid namespace of its own, which it cannot leave. False when the process has ended.
 */
export async function isOutsideInstances(pid: number): Promise<boolean> {
  const [own, other] = await Promise.all([namespaceOf('self'), namespaceOf(pid)]);
  return own !== undefined && other === own;
}
