import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { FrameReader, type OutputName } from './frames.rules.js';

export interface CommandWish {
  /** Empty: a login shell. */
  command: readonly string[];
  tty: boolean;
  cols: number;
  rows: number;
}

export interface CommandOutput {
  stream: OutputName;
  bytes: Buffer;
}

/** A command that runs in an instance, with its streams. */
export interface RunningCommand {
  /** Ends with the command. Taken up slowly, it makes the command wait. */
  output(): AsyncGenerator<CommandOutput>;
  /** Resolves when the bytes have left for the command, which waits for one that does not read. */
  write(bytes: Buffer): Promise<void>;
  /** Nothing more comes into its input. */
  end(): void;
  resize(cols: number, rows: number): Promise<void>;
  /** After `output` has ended. Null when the engine does not know it. */
  exitCode(): Promise<number | null>;
  /** As when a terminal is closed: SIGHUP, and SIGKILL for what is still there two seconds later. */
  kill(): Promise<void>;
}

const LOGIN_SHELL = ['/bin/sh', '-c', 'if [ -x /bin/bash ]; then exec /bin/bash -l; else exec /bin/sh -l; fi'];
const GRACE_MS = 2_000;
const EXIT_LOOK_MS = 50;
const EXIT_LOOKS = 40;

export async function startCommand(container: Docker.Container, wish: CommandWish): Promise<RunningCommand> {
  const exec = await container.exec({
    Cmd: wish.command.length > 0 ? [...wish.command] : LOGIN_SHELL,
    Tty: wish.tty,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Env: wish.tty ? ['TERM=xterm-256color'] : [],
  });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: wish.tty });
  // A connection that breaks ends the output; nobody else listens for it.
  stream.on('error', () => stream.destroy());
  const running = new ExecCommand(exec, stream, container.id, wish.tty);
  if (wish.tty) await running.resize(wish.cols, wish.rows);
  return running;
}

class ExecCommand implements RunningCommand {
  constructor(
    private readonly exec: Docker.Exec,
    private readonly stream: Duplex,
    private readonly containerId: string,
    private readonly tty: boolean,
  ) {}

  async *output(): AsyncGenerator<CommandOutput> {
    const frames = new FrameReader();
    try {
      for await (const chunk of this.stream as AsyncIterable<Buffer>) {
        if (this.tty) yield { stream: 'stdout', bytes: chunk };
        else yield* frames.outputs(chunk);
      }
    } catch (error) {
      // Torn off: by `kill`, or with the engine. The exit code tells the rest.
      if (!this.stream.destroyed) throw error;
    }
  }

  async write(bytes: Buffer): Promise<void> {
    if (!this.stream.writable) return;
    await new Promise<void>((resolve) => this.stream.write(bytes, () => resolve()));
  }

  end(): void {
    if (this.stream.writable) this.stream.end();
  }

  async resize(cols: number, rows: number): Promise<void> {
    // A command that has just ended has no terminal any more.
    await this.exec.resize({ w: cols, h: rows }).catch(() => undefined);
  }

  /** The engine closes the streams a moment before it notes the code. */
  async exitCode(): Promise<number | null> {
    for (let look = 0; look < EXIT_LOOKS; look += 1) {
      const info = await this.exec.inspect().catch(() => null);
      if (!info) return null;
      if (!info.Running) return info.ExitCode;
      await sleep(EXIT_LOOK_MS);
    }
    return null;
  }

  async kill(): Promise<void> {
    await this.#signal('SIGHUP');
    await sleep(GRACE_MS);
    await this.#signal('SIGKILL');
    this.stream.destroy();
  }

  /** The engine has no way to end a command: its process group gets the signal, seen from the host. */
  async #signal(signal: 'SIGHUP' | 'SIGKILL'): Promise<void> {
    const info = await this.exec.inspect().catch(() => null);
    if (!info?.Running || info.Pid <= 1 || !(await isInside(info.Pid, this.containerId))) return;
    try {
      process.kill(-info.Pid, signal);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

/** A number may have passed on to another process since the engine named it: only one in the container's own group is meant. */
async function isInside(pid: number, containerId: string): Promise<boolean> {
  const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
  return groups.includes(containerId);
}
