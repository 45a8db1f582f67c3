import { sha256Hex, sha256OfJson } from '@muster/proof';
import type { ExecutionReport, ExecutionSpec, JobResult, JobSubmissionInput, JobView, TaskInput } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { pack } from 'tar-stream';
import { createTestApp, type TestAccount, type TestApp } from './app.js';
import { fund } from './market-fixtures.js';
import { reportOf, SimulatedAgent } from './simulated-agent.js';

/** Files of a result folder by their path. */
export type Folder = Record<string, string>;

export interface JobWorldOptions {
  env?: Record<string, string>;
  /** Nodes, each of an owner of its own. */
  nodes?: number;
}

/** A market with simulated nodes of as many owners, and somebody with money who owns none of them. */
export class JobWorld {
  private constructor(
    readonly app: TestApp,
    readonly agents: readonly SimulatedAgent[],
    readonly submitter: TestAccount,
  ) {}

  static async start({ env = {}, nodes = 3 }: JobWorldOptions = {}): Promise<JobWorld> {
    const app = await createTestApp({ env });
    const agents: SimulatedAgent[] = [];
    for (let node = 0; node < nodes; node += 1) {
      const agent = await SimulatedAgent.listed(app, await app.signUp());
      agent.beatEvery(3_000);
      agents.push(agent);
    }
    const submitter = await app.signUp();
    await fund(app.db.client, submitter.id, 1_000_000_000n);
    return new JobWorld(app, agents, submitter);
  }

  async close(): Promise<void> {
    for (const agent of this.agents) agent.close();
    await this.app.close();
  }

  /** All nodes make the same of an execution; null = nothing is reported. */
  runs(play: SimulatedAgent['runs']): void {
    for (const agent of this.agents) agent.runs = play;
  }

  async submit(job: Partial<JobSubmissionInput>): Promise<JobView> {
    const body = { name: 'test', docker_image: 'workspace', command: ['true'], ...job };
    const answer = await this.app.call('createJob', { token: this.submitter.token, body });
    if (answer.status !== 201) throw new Error(`not submitted: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async job(id: string): Promise<JobView> {
    return (await this.app.call('getJob', { token: this.submitter.token, params: { job_id: id } })).body;
  }

  async ended(id: string, status: JobView['status'] = 'completed'): Promise<JobView> {
    const job = await this.until(id, (view) => ['completed', 'failed', 'cancelled'].includes(view.status));
    if (job.status !== status) throw new Error(`the job is ${job.status}: ${JSON.stringify(job.fault)}`);
    return job;
  }

  until(id: string, holds: (job: JobView) => boolean): Promise<JobView> {
    return waitFor(async () => {
      const job = await this.job(id);
      return holds(job) ? job : undefined;
    }, { deadlineMs: 110_000, what: `job ${id}` });
  }

  async page(id: string, query: Record<string, string | number> = {}): Promise<JobResult> {
    const { status, body } = await this.app.call('getJobResult', { token: this.submitter.token, params: { job_id: id }, query });
    if (status !== 200) throw new Error(`no result: ${JSON.stringify(body)}`);
    return body;
  }

  /** Every part, page by page. */
  async result(id: string): Promise<JobResult> {
    const first = await this.page(id, { limit: 200 });
    for (let { next } = first; next !== null; ) {
      const page = await this.page(id, { limit: 200, cursor: next });
      first.parts.push(...page.parts);
      next = page.next;
    }
    return { ...first, next: null };
  }

  complete(id: string): Promise<JobResult> {
    return waitFor(async () => {
      const result = await this.result(id);
      return result.complete ? result : undefined;
    }, { deadlineMs: 60_000, what: `the whole result of ${id}` });
  }

  /** A link of the market as somebody outside would follow it here. */
  reach(url: string): string {
    return url.replace(this.app.config.publicUrl, this.app.url);
  }

  async download(url: string | null | undefined): Promise<Buffer> {
    const answer = await fetch(this.reach(url ?? ''));
    if (!answer.ok) throw new Error(`HTTP ${answer.status}: ${await answer.text()}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  /** One input as a node gets it on its disk. */
  async read(input: TaskInput | undefined): Promise<Buffer> {
    if (input === undefined) throw new Error('there is no such input');
    if (input.kind === 'inline') return Buffer.from(input.data, input.encoding);
    const bytes = await this.download(input.url);
    if (sha256Hex(bytes) !== input.sha256) throw new Error(`${input.path} has another SHA-256`);
    return bytes;
  }

  /** Executions of a job that a node has in hand. */
  inHand(agent: SimulatedAgent, jobId: string): Promise<ExecutionSpec[]> {
    return waitFor(() => {
      const own = [...agent.executions.values()].filter((spec) => spec.job_id === jobId);
      return own.length > 0 ? own : undefined;
    }, { deadlineMs: 20_000, what: `work for ${agent.nodeId}` });
  }

  /** Reports standard output of an execution that a node has in hand. */
  async hand(agent: SimulatedAgent, spec: ExecutionSpec, text: string): Promise<void> {
    const answer = await agent.hand([reportOf(spec, text, { logs: '' })]);
    if (answer.ok !== true) throw new Error(`the report was not taken: ${JSON.stringify(answer)}`);
    agent.executions.delete(spec.execution_id);
  }

  /** Uploads what is told to be the archive of a folder, and reports the folder. */
  async handFolder(agent: SimulatedAgent, spec: ExecutionSpec, folder: Folder, archive: Buffer | null): Promise<void> {
    if (archive) {
      const put = await fetch(this.reach(spec.upload_url ?? ''), { method: 'PUT', body: Uint8Array.from(archive) });
      if (!put.ok) throw new Error(`the archive was not taken: ${await put.text()}`);
    }
    const answer = await agent.hand([folderReport(spec, folder)]);
    agent.executions.delete(spec.execution_id);
    if (answer.ok !== true) throw new Error(`the report was not taken: ${JSON.stringify(answer)}`);
  }
}

export function folderReport(spec: ExecutionSpec, folder: Folder): ExecutionReport {
  const files = Object.entries(folder).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([path, text]) => ({ path, size: Buffer.byteLength(text), sha256: sha256Hex(text) }));
  const manifest = { exit_code: 0, files };
  return reportOf(spec, '', { result: null, manifest, result_hash: sha256OfJson(manifest) });
}

/** The archive of a folder as agents write it. */
export async function archiveOf(folder: Folder): Promise<Buffer> {
  const archive = pack();
  for (const [path, text] of Object.entries(folder).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    archive.entry({ name: path, size: Buffer.byteLength(text), mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) }, text);
  }
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}
