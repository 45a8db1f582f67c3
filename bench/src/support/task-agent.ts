import { createHash, sign } from 'node:crypto';
import { signBatch } from '@muster/proof';
import { type ExecutionReport, type ExecutionSpec, reportLeaf, RESULTS_DOMAIN, resultsStatement } from '@muster/shared-types';
import { LightAgent, type NodeCredentials } from './light-agent.js';

const RESULT = 'hello\n';
const RESULT_HASH = createHash('sha256').update(RESULT).digest('hex');
const GATHER_MS = 2;
const ACK_MS = 60_000;
const BEAT_MS = 2_000;

interface Outcomes {
  ok?: boolean;
  outcomes?: { outcome: string }[];
}

/** A node that answers every execution at once with the result of `echo hello`, signed, so many to a frame. */
export class TaskAgent {
  readonly light: LightAgent;
  /** Executions received and reports counted, over all time. */
  received = 0;
  counted = 0;
  onRun: (executions: readonly ExecutionSpec[]) => void = () => undefined;
  /** False leaves reporting to the caller. */
  answers = true;
  #waiting: ExecutionSpec[] = [];
  #timer: NodeJS.Timeout | undefined;
  #seq = 0;
  #beats: NodeJS.Timeout | undefined;

  constructor(
    url: string,
    private readonly credentials: NodeCredentials,
    private readonly perFrame: number,
  ) {
    this.light = new LightAgent(url, credentials, { run_tasks: (payload: { executions: ExecutionSpec[] }) => this.#run(payload.executions) });
  }

  /** Connects and beats every two seconds until it is closed. */
  async join(): Promise<void> {
    await this.light.connect();
    const { nodeId } = this.credentials;
    const metrics = { cpu_temp: 40, gpu_temp: [], gpu_utilization: [], ram_usage_mb: 1, disk_usage_gb: 1 };
    const beat = (): Promise<unknown> => this.light.emit('heartbeat', { node_id: nodeId, status: 'online', metrics }, ACK_MS);
    this.#beats = setInterval(() => void beat(), BEAT_MS);
    await beat();
  }

  close(): void {
    clearInterval(this.#beats);
    this.light.close();
  }

  /** Reports these as done. Resolves, with how many counted, when the market has acked. */
  async report(executions: readonly ExecutionSpec[]): Promise<number> {
    const results = executions.map(reportOf);
    this.#seq += 1;
    const { nodeId, privateKey } = this.credentials;
    const head = { v: 1 as const, node_id: nodeId, seq: this.#seq };
    const signed = signBatch({
      sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64url'),
      domain: RESULTS_DOMAIN,
      leaves: results.map(reportLeaf),
      statement: ({ root, count }) => resultsStatement({ ...head, root, count }),
    });
    const send = async (): Promise<Outcomes | undefined> => (await this.light.emit('task_results', { ...head, ...signed, results }, ACK_MS)) as Outcomes | undefined;
    // As agents do: what is not answered is sent again, and counts once.
    const ack = (await send()) ?? (await send()) ?? (await send());
    if (ack?.ok !== true) throw new Error(`a batch was refused: ${JSON.stringify(ack)?.slice(0, 300)}`);
    const counted = ack.outcomes?.filter((one) => one.outcome === 'counted').length ?? 0;
    this.counted += counted;
    return counted;
  }

  #run(executions: readonly ExecutionSpec[]): void {
    this.received += executions.length;
    this.onRun(executions);
    if (!this.answers) return;
    this.#waiting.push(...executions);
    while (this.#waiting.length >= this.perFrame) void this.report(this.#waiting.splice(0, this.perFrame));
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#flush(), GATHER_MS);
  }

  #flush(): void {
    this.#timer = undefined;
    if (this.#waiting.length > 0) void this.report(this.#waiting.splice(0));
  }
}

function reportOf({ execution_id, attempt }: ExecutionSpec): ExecutionReport {
  return { execution_id, attempt, result_hash: RESULT_HASH, result: RESULT, result_encoding: 'utf8', manifest: null, exit_code: 0, fault: null, logs: '', duration_ms: 1, image_digest: null };
}
