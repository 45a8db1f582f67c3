import { randomUUID } from 'node:crypto';
import type { ExecutionReport, ExecutionSpec } from '@muster/shared-types';
import { until } from '@muster/testkit/frp/until';
import type { TestHost } from './host.js';

/** A small execution of the test image that prints; anything may be overridden. */
export function testExecution(changes: Partial<ExecutionSpec> = {}): ExecutionSpec {
  return {
    execution_id: randomUUID(),
    attempt: 1,
    job_id: randomUUID(),
    task_index: 0,
    docker_image: 'busybox',
    command: ['echo', 'hello'],
    environment: {},
    inputs: [],
    outputs: null,
    cpu_cores: 1,
    memory_mb: 64,
    disk_gb: 1,
    gpu_uuids: [],
    network: 'none',
    runtime: 'default',
    timeout_s: 60,
    lease_s: 30,
    upload_url: null,
    ...changes,
  };
}

export const shell = (script: string, changes: Partial<ExecutionSpec> = {}): ExecutionSpec => testExecution({ command: ['sh', '-c', script], ...changes });

export const reportOf = (host: TestHost, spec: ExecutionSpec, withinMs = 60_000): Promise<ExecutionReport> =>
  until(`the report of ${spec.command.join(' ').slice(0, 60)}`, () => {
    host.agent?.assertRunning();
    return host.market.reportOf(spec);
  }, withinMs);

/** Orders an execution and waits for its report. */
export async function runOne(host: TestHost, spec: ExecutionSpec, withinMs = 60_000): Promise<ExecutionReport> {
  await host.market.run(spec);
  return reportOf(host, spec, withinMs);
}

/** Containers, mounts and folders of executions that are on the host now. */
export async function remainsOf(host: TestHost): Promise<string[]> {
  const containers = await host.docker.listContainers({ all: true, filters: { label: ['muster.execution'] } });
  return containers.flatMap(({ Names }) => Names);
}

/** A file of the test's market as an input of the same name. */
export const fileInput = (host: TestHost, name: string, sha256: string): Extract<ExecutionSpec['inputs'][number], { kind: 'fetch' }> => ({
  kind: 'fetch',
  path: name,
  url: `${host.market.url}/files/${name}`,
  sha256,
  size: null,
});
