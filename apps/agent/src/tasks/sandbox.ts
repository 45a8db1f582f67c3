import { chown, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionSpec } from '@muster/shared-types';
import type { ContainerInspectInfo } from 'dockerode';
import { bootId } from '../boot-clock.js';
import { mustRun } from '../docker/command.js';
import { dockerWords, statusOf } from '../docker/faults.js';
import { ignoring, nofileHard } from '../docker/instances.js';
import { OUTPUT_FILES, RESULT_CAPTURE_BYTES } from '../docker/job-runtime.js';
import { ATTEMPT_LABEL, BOOT_LABEL, EXECUTION_LABEL } from '../docker/labels.js';
import { endOrphans } from '../docker/orphans.js';
import type { JobHost } from '../docker/types.js';
import { isMissing } from '../state-dir.js';
import { jobFault, nodeFault } from './execution-fault.js';
import { keyOf, NOBODY, sandboxName, sandboxOptions } from './sandbox-spec.js';
import type { ScratchFolders } from './scratch.js';

/** A container of an execution, as far as it matters here. */
export interface Sandbox {
  id: string;
  imageId: string;
  /** `created`: it never ran, and what a start needs may be half there. */
  state: 'created' | 'running' | 'ended';
  /** It was made before the machine booted last: its output is gone. */
  fromEarlierBoot: boolean;
  startedAt: string;
  durationMs: number;
  exitCode: number;
  oomKilled: boolean;
  /** The engine's words when it could not be started. */
  error: string;
}

export interface ResolvedImage {
  ref: string;
  isRentalImage: boolean;
}

const LAST_BYTES_MS = 10_000;
const LAST_BYTES_LOOK_MS = 5;
const LOOK_AGAIN_MS = 5_000;
const REMOVAL_MS = 20_000;
const REMOVAL_LOOK_MS = 50;
const TOO_LITTLE_MEMORY = /OOM-killed|memory limit|cannot allocate memory|container init was/i;
const CANNOT_START = /executable file not found|no such file or directory|exec format error|permission denied|is a directory|no command specified/i;

/** Containers of executions. Identity lies on their labels; every verb may be repeated. */
export class Sandboxes {
  constructor(
    private readonly host: JobHost,
    private readonly nodeId: string,
  ) {}

  async find(key: string): Promise<Sandbox | null> {
    try {
      return sandboxOf(await this.host.docker.getContainer(sandboxName(key)).inspect());
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  }

  /** Keys of every execution that has a container here. Output of containers that are no more is removed on the way. */
  async keys(): Promise<string[]> {
    const outputs = await readdir(this.host.folders.io);
    const all = await this.host.docker.listContainers({ all: true, filters: { label: [EXECUTION_LABEL] } });
    const ids = new Set(all.map(({ Id }) => Id));
    for (const id of outputs) if (!ids.has(id)) await rm(join(this.host.folders.io, id), { recursive: true, force: true });
    return all.map(({ Labels }) => keyOf({ execution_id: Labels[EXECUTION_LABEL] ?? '', attempt: Number(Labels[ATTEMPT_LABEL]) }));
  }

  /** A container ready to start: its output pipes are there. */
  async create(spec: ExecutionSpec, image: ResolvedImage, folders: ScratchFolders): Promise<void> {
    const { docker, network } = this.host;
    const options = sandboxOptions(spec, {
      nodeId: this.nodeId,
      bootId: bootId(),
      image: image.ref,
      isRentalImage: image.isRentalImage,
      ...folders,
      network,
      nameservers: spec.network === 'egress' ? await this.host.nameservers() : [],
      nofileHard: nofileHard(),
    });
    try {
      const container = await docker.createContainer(options);
      await this.layPipes(container.id, spec.outputs === null);
    } catch (error) {
      if (statusOf(error) === 400) throw jobFault('bad_image', `The image ${spec.docker_image} cannot be run: ${dockerWords(error)}`);
      if (statusOf(error) === 404) throw nodeFault('image_missing', `The image ${spec.docker_image} was removed from this host just now.`);
      throw error;
    }
  }

  /** Owned by the program inside, so that it may open its own `/dev/stdout` as with any container. */
  private async layPipes(id: string, withResult: boolean): Promise<void> {
    const folder = join(this.host.folders.io, id);
    const names = withResult ? [OUTPUT_FILES.errPipe, OUTPUT_FILES.outPipe] : [OUTPUT_FILES.errPipe];
    const pipes = names.map((name) => join(folder, name));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await mustRun('mkfifo', ['-m', '600', ...pipes], { path: this.host.path });
    for (const pipe of pipes) await chown(pipe, this.host.owner.uid + NOBODY, this.host.owner.gid + NOBODY);
  }

  /** What is wrong with the command itself is found in the container afterwards. */
  async start(spec: ExecutionSpec): Promise<void> {
    try {
      await ignoring([304], this.container(keyOf(spec)).start());
      if (spec.network === 'egress') await this.host.fence();
    } catch (error) {
      const words = dockerWords(error);
      if (CANNOT_START.test(words)) throw jobFault('bad_image', `The command could not be started: ${shortWords(words)}`);
      if (TOO_LITTLE_MEMORY.test(words)) throw jobFault('out_of_memory', `${spec.memory_mb} MB of memory are too little to start it.`);
      if (/could not select device driver|nvidia-container-cli|CDI device/i.test(words)) throw nodeFault('capability_missing', `The host could not attach the GPUs: ${shortWords(words)}`);
      throw error;
    }
  }

  /** Resolves when it does not run (any more). An answer that a dying engine cut short never comes: so it is looked up, too. */
  async ended(key: string): Promise<void> {
    const over = ignoring([404], this.container(key).wait()).then(() => true);
    // Raced below, where it is thrown; after the last look nobody waits for it any more.
    over.catch(() => undefined);
    while (!(await Promise.race([over, pause(LOOK_AGAIN_MS).then(() => false)]))) {
      if ((await this.find(key))?.state !== 'running') return;
    }
  }

  async kill(key: string): Promise<void> {
    await ignoring([404, 409], this.container(key).kill());
  }

  /** More came out than a result may have, whether or not the program has noticed. */
  async isOverLimit(id: string): Promise<boolean> {
    const sizes = await Promise.all([OUTPUT_FILES.outSoFar, OUTPUT_FILES.out].map((name) => stat(join(this.host.folders.io, id, name)).then((file) => file.size, () => 0)));
    return Math.max(...sizes) >= RESULT_CAPTURE_BYTES;
  }

  /** All that came out of one that has ended; null for a stream that was not kept. */
  async output(id: string, wantsResult: boolean): Promise<{ stdout: Buffer | null; logs: Buffer }> {
    const [stdout, logs] = await Promise.all([wantsResult ? this.last(id, OUTPUT_FILES.out) : null, this.last(id, OUTPUT_FILES.err)]);
    return { stdout, logs };
  }

  /** A file that appears when the pipe's last bytes are in it. Without it nobody knows what was printed. */
  private async last(id: string, name: string): Promise<Buffer> {
    const deadline = performance.now() + LAST_BYTES_MS;
    for (;;) {
      const file = await open(join(this.host.folders.io, id, name), 'r').catch(onlyMissing);
      if (file) {
        try {
          return await file.readFile();
        } finally {
          await file.close();
        }
      }
      if (performance.now() > deadline) throw nodeFault('internal', 'What it printed could not be read on this host.');
      await pause(LAST_BYTES_LOOK_MS);
    }
  }

  /** Container and its output; done when the engine has let go of it. */
  async remove(key: string): Promise<void> {
    const found = await this.find(key);
    if (!found) return;
    const container = this.host.docker.getContainer(found.id);
    // 409: a removal that began earlier is not finished.
    await ignoring([404, 409], container.remove({ force: true, v: true }));
    const deadline = performance.now() + REMOVAL_MS;
    while ((await this.find(key)) !== null) {
      if (performance.now() > deadline) throw new Error(`the container of execution ${key} does not go away`);
      await pause(REMOVAL_LOOK_MS);
    }
    if (found.state === 'created') await endOrphans(found.id);
    await rm(join(this.host.folders.io, found.id), { recursive: true, force: true });
  }

  private container(key: string): ReturnType<JobHost['docker']['getContainer']> {
    return this.host.docker.getContainer(sandboxName(key));
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const shortWords = (words: string): string => words.replace(/^.*exec: |^.*?OCI runtime[^:]*: /s, '').replace(/: unknown$/, '').trim();

function sandboxOf({ Id, Image, State: state, Config }: ContainerInspectInfo): Sandbox {
  const ranMs = Date.parse(state.FinishedAt) - Date.parse(state.StartedAt);
  return {
    id: Id,
    imageId: Image,
    state: state.Running ? 'running' : state.Status === 'created' ? 'created' : 'ended',
    fromEarlierBoot: Config.Labels[BOOT_LABEL] !== bootId(),
    startedAt: state.StartedAt,
    durationMs: Math.max(0, ranMs),
    exitCode: state.ExitCode,
    oomKilled: state.OOMKilled,
    error: state.Error,
  };
}

/** Null for a file that is not there (yet); anything else is thrown. */
function onlyMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}
