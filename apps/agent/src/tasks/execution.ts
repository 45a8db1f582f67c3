import { type ExecutionFault, type ExecutionReport, type ExecutionSpec, JOB_LIMITS, type Manifest } from '@muster/shared-types';
import { sha256Hex, sha256OfJson } from '@muster/proof';
import type { Logger } from 'pino';
import { FaultError, faultOf } from '../docker/faults.js';
import { RESULT_CAPTURE_BYTES } from '../docker/job-runtime.js';
import type { Engine, JobHost } from '../docker/types.js';
import { type Ending, faultOfEnding, type OrderedEnd } from './ending.rules.js';
import { ExecutionFaultError, jobFault, nodeFault } from './execution-fault.js';
import { placeInputs } from './inputs.js';
import { digestOf, resolveImage } from './job-image.js';
import type { Journal } from './journal.js';
import { readManifest } from './manifest.js';
import { encodeResult, logsOf, readable } from './output-text.rules.js';
import type { FetchPolicy } from './safe-fetch.js';
import { keyOf } from './sandbox-spec.js';
import type { Sandbox, Sandboxes } from './sandbox.js';
import type { Scratch } from './scratch.js';
import type { Slots } from './slots.js';
import type { TaskUpdates, Update } from './task-updates.js';
import { uploadArchive } from './upload.js';

export interface ExecutionParts {
  engine: Engine;
  host: JobHost;
  sandboxes: Sandboxes;
  scratch: Scratch;
  journal: Journal;
  updates: TaskUpdates;
  policy: FetchPolicy;
  maxImageBytes: number;
  /** Bounds how many are made or started at once, so that rentals beside them stay quick. */
  slots: Slots;
  /** Resolves when images that came with the agent are imported and the market has spoken: nothing starts before. */
  mayStart: Promise<unknown>;
  makeRoom: () => Promise<boolean>;
  log: Logger;
}

/** To pull and to fetch; the market gives no execution longer either. */
const PREPARATION_MS = 15 * 60_000;
const LOOK_EVERY_MS = 250;
const OUTAGE_LOOK_MS = 250;
/** An engine that stays away longer than this takes the execution with it. */
const OUTAGE_MS = 120_000;

/**
 * One run of one task, from order to report. INVARIANTS: what it knows lies in its container and its journal, so it can be
 * begun anew at any point and goes on from there; an end is written down before it is carried out; it ends in exactly one
 * report, whatever happens.
 */
export class Execution {
  readonly key: string;
  private readonly abort = new AbortController();
  private outageMs = 0;

  constructor(
    readonly spec: ExecutionSpec,
    private ordered: OrderedEnd | null,
    private readonly parts: ExecutionParts,
  ) {
    this.key = keyOf(spec);
    if (ordered === 'cancelled') this.abort.abort();
  }

  /** Ends it, on disk when this resolves. */
  async cancel(): Promise<void> {
    await this.order('cancelled');
    this.abort.abort();
  }

  /** Never rejects. */
  async run(): Promise<ExecutionReport> {
    try {
      return await this.throughOutages();
    } catch (error) {
      return this.report({ fault: this.faultOf(error) });
    }
  }

  /** Whatever is left of it on this machine. */
  async clean(): Promise<void> {
    await this.parts.sandboxes.remove(this.key);
    await this.parts.scratch.remove(this.key);
  }

  private async throughOutages(): Promise<ExecutionReport> {
    for (;;) {
      try {
        return await this.throughLife();
      } catch (error) {
        if (error instanceof ExecutionFaultError || faultOf(error).code !== 'engine_down') throw error;
        await this.outlast();
      }
    }
  }

  private async outlast(): Promise<void> {
    do {
      await new Promise((resolve) => setTimeout(resolve, OUTAGE_LOOK_MS));
      this.outageMs += OUTAGE_LOOK_MS;
      if (this.outageMs > OUTAGE_MS) throw nodeFault('engine_down', 'The container engine of the host does not answer.');
    } while (!this.parts.engine.healthy());
  }

  private async throughLife(): Promise<ExecutionReport> {
    const sandbox = (await this.adopted()) ?? (await this.begun());
    this.tell({ phase: 'running', started_at: new Date(sandbox.startedAt).toISOString() });
    await this.watch(sandbox);
    return this.conclude();
  }

  /** Of an earlier agent. One that never ran, or ran before the machine went down, is made anew. */
  private async adopted(): Promise<Sandbox | null> {
    const found = await this.parts.sandboxes.find(this.key);
    if (found && found.state !== 'created' && !found.fromEarlierBoot) return found;
    await this.clean();
    return null;
  }

  private async begun(): Promise<Sandbox> {
    const { sandboxes, scratch, slots, mayStart, host, policy } = this.parts;
    const { spec } = this;
    await Promise.race([mayStart, this.cancelled()]);
    this.throwIfCancelled();
    if (spec.runtime === 'gvisor') checkGvisor(spec, host.gvisor);
    const ready = AbortSignal.any([this.abort.signal, AbortSignal.timeout(PREPARATION_MS)]);
    const image = await this.image(ready);
    const folders = await slots.run(() => scratch.make(spec));
    if (folders.input !== null) await placeInputs(spec.inputs, folders.input, { policy, signal: ready, onProgress: (progress) => this.tell({ phase: 'fetching', progress }) });
    await slots.run(async () => {
      this.throwIfCancelled();
      await sandboxes.create(spec, image, folders);
      await sandboxes.start(spec);
    });
    const sandbox = await sandboxes.find(this.key);
    if (!sandbox) throw nodeFault('internal', 'Its container has gone from this host.');
    return sandbox;
  }

  private image(signal: AbortSignal): ReturnType<typeof resolveImage> {
    const { engine, host, maxImageBytes, makeRoom } = this.parts;
    return resolveImage(this.spec, {
      engine,
      docker: host.docker,
      maxBytes: maxImageBytes,
      signal,
      onProgress: ({ current_bytes, total_bytes }) => this.tell({ phase: 'pulling', progress: { current_bytes, total_bytes } }),
      makeRoom,
    });
  }

  /** Until it has ended, by itself or because its time, its output or its market says so. */
  private async watch({ id, startedAt }: Sandbox): Promise<void> {
    const { sandboxes } = this.parts;
    const stop = new AbortController();
    const ended = Promise.race([sandboxes.ended(this.key), this.engineLost(stop.signal)]);
    // Thrown where it is waited for; when killing fails first, that is what is told.
    ended.catch(() => undefined);
    try {
      const order = this.ordered ?? (await Promise.race([ended.then(() => null), this.cancelled(), this.overdue(startedAt, stop.signal), this.flooded(id, stop.signal)]));
      if (order === null) return;
      await this.order(order);
      await sandboxes.kill(this.key);
      await ended;
    } finally {
      stop.abort();
    }
  }

  /** Rejects when the engine goes or comes back: what was asked of the one before is not answered any more. */
  private engineLost(stop: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      const leave = this.parts.engine.onEvent(({ kind }) => {
        if (kind !== 'instance') reject(new FaultError('engine_down', 'The container engine of the host was restarted.'));
      });
      stop.addEventListener('abort', leave);
    });
  }

  private cancelled(): Promise<OrderedEnd> {
    return new Promise((resolve) => {
      if (this.abort.signal.aborted) resolve('cancelled');
      this.abort.signal.addEventListener('abort', () => resolve('cancelled'), { once: true });
    });
  }

  /** A clock that was set back gives it no more than its whole time again. */
  private overdue(startedAt: string, stop: AbortSignal): Promise<OrderedEnd> {
    const allowedMs = this.spec.timeout_s * 1000;
    const leftMs = Math.min(allowedMs, allowedMs - (Date.now() - Date.parse(startedAt)));
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve('timeout'), Math.max(0, leftMs));
      stop.addEventListener('abort', () => clearTimeout(timer));
    });
  }

  private flooded(id: string, stop: AbortSignal): Promise<OrderedEnd> {
    return new Promise((resolve) => {
      const timer = setInterval(() => void this.parts.sandboxes.isOverLimit(id).then((over) => over && resolve('output_too_large')), LOOK_EVERY_MS);
      stop.addEventListener('abort', () => clearInterval(timer));
    });
  }

  /** The first order stands. */
  private async order(order: OrderedEnd): Promise<void> {
    if (this.ordered !== null) return;
    this.ordered = order;
    await this.parts.journal.order(this.key, order);
  }

  private async conclude(): Promise<ExecutionReport> {
    const { sandboxes, scratch, host } = this.parts;
    const sandbox = await sandboxes.find(this.key);
    if (!sandbox) throw nodeFault('internal', 'Its container has gone from this host.');
    const wantsResult = this.spec.outputs === null;
    const [{ stdout, logs }, image_digest, diskFull] = await Promise.all([sandboxes.output(sandbox.id, wantsResult), digestOf(host.docker, sandbox.imageId), scratch.isFull(this.key)]);
    const ran = {
      exit_code: sandbox.exitCode,
      duration_ms: sandbox.durationMs,
      image_digest,
      logs: stdout === null ? readable(logs) : logsOf(readable(stdout), readable(logs)),
    };
    const fault = this.faultOfEnd(sandbox, stdout, diskFull);
    if (fault) return this.report({ ...ran, fault });
    if (stdout !== null) return this.report({ ...ran, result_hash: sha256Hex(stdout), ...encodeResult(stdout) });
    return this.folderReport(ran);
  }

  private faultOfEnd(sandbox: Sandbox, stdout: Buffer | null, diskFull: boolean): ExecutionFault | null {
    const { spec, ordered } = this;
    const ending: Ending = {
      ordered,
      exitCode: sandbox.exitCode,
      oomKilled: sandbox.oomKilled,
      startError: sandbox.error,
      durationMs: sandbox.durationMs,
      stdoutOver: (stdout?.length ?? 0) >= RESULT_CAPTURE_BYTES,
      diskFull,
    };
    return faultOfEnding(ending, { timeoutS: spec.timeout_s, memoryMb: spec.memory_mb, diskGb: spec.disk_gb, resultBytes: JOB_LIMITS.resultBytes });
  }

  private async folderReport(ran: Partial<ExecutionReport> & { exit_code: number }): Promise<ExecutionReport> {
    try {
      const folder = await this.parts.scratch.outputOf(this.key);
      const manifest = await readManifest(folder, ran.exit_code);
      await this.upload(folder, manifest);
      return this.report({ ...ran, manifest, result_hash: sha256OfJson(manifest) });
    } catch (error) {
      return this.report({ ...ran, fault: this.faultOf(error) });
    }
  }

  private async upload(folder: string, manifest: Manifest): Promise<void> {
    const { upload_url } = this.spec;
    if (upload_url === null) return;
    this.tell({ phase: 'uploading' });
    await uploadArchive(upload_url, folder, manifest.files, this.parts.policy, this.abort.signal);
  }

  private report(facts: Partial<ExecutionReport>): ExecutionReport {
    const { execution_id, attempt } = this.spec;
    const none = { result_hash: null, result: null, result_encoding: 'utf8', manifest: null, exit_code: null, fault: null, logs: '', duration_ms: 0, image_digest: null } as const;
    return { execution_id, attempt, ...none, ...facts };
  }

  private faultOf(error: unknown): ExecutionFault {
    if (this.abort.signal.aborted) return nodeFault('cancelled', 'It was cancelled.').fault;
    if (error instanceof ExecutionFaultError) return error.fault;
    this.parts.log.error({ err: error, execution_id: this.spec.execution_id }, 'an execution failed on this host');
    return nodeFault('internal', 'Something went wrong on this host.').fault;
  }

  private throwIfCancelled(): void {
    if (this.abort.signal.aborted) throw nodeFault('cancelled', 'It was cancelled.');
  }

  private tell(update: Pick<Update, 'phase' | 'progress' | 'started_at'>): void {
    const { execution_id, attempt } = this.spec;
    this.parts.updates.set({ execution_id, attempt, ...update });
  }
}

function checkGvisor({ network }: ExecutionSpec, present: boolean): void {
  if (!present) throw nodeFault('capability_missing', 'This host has no gVisor.');
  if (network !== 'none') throw jobFault('capability_missing', 'With gVisor an execution has no network: network must be "none".');
}
