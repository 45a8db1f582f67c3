import { spawn, type ChildProcess } from 'node:child_process';

/** A child process of a test with all it has said. The kernel ends it with the test process, also after a kill -9 of that. */
export class Child {
  private text = '';
  private readonly exited: Promise<void>;

  private constructor(
    private readonly name: string,
    private readonly process: ChildProcess,
  ) {
    this.process.stdout?.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    this.process.stderr?.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    this.exited = new Promise((resolve) => {
      this.process.once('exit', () => resolve());
      this.process.once('error', (error) => {
        this.text += error.message;
        resolve();
      });
    });
  }

  static start(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv): Child {
    return new Child(name, spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }
  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null && this.process.pid !== undefined;
  }
  /** Everything on stdout and stderr since the start. */
  get output(): string {
    return this.text;
  }

  /** Sends the signal; with SIGKILL or SIGTERM, resolves when the process is gone. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    if (!this.running) return;
    this.process.kill(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await this.exited;
  }

  /** Throws with the output when the process has ended by itself. */
  assertRunning(): void {
    if (!this.running) throw new Error(`${this.name} has ended:\n${this.text}`);
  }
}
