import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './run.js';
import { until } from './until.js';

/** An engine as somebody has it who runs containers: no bridge, no firewall rules, nothing that stays behind. */
export class PlainEngine {
  private constructor(
    readonly folder: string,
    private readonly child: ReturnType<typeof spawn>,
  ) {}

  get host(): string {
    return `unix://${join(this.folder, 'socket')}`;
  }

  static async start(): Promise<PlainEngine> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-plain-'));
    const log = await open(join(folder, 'log'), 'w');
    const at = (name: string): string => join(folder, name);
    const args = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '-H', `unix://${at('socket')}`, '--iptables=false', '--bridge=none', '--log-level', 'warn'];
    const engine = new PlainEngine(folder, spawn('dockerd', args, { stdio: ['ignore', log.fd, log.fd] }));
    await log.close();
    await until('the engine to answer', async () => {
      if (engine.child.exitCode !== null) throw new Error(await readFile(at('log'), 'utf8'));
      return (await run('docker', ['version'], { env: { ...process.env, DOCKER_HOST: engine.host } })).code === 0;
    });
    return engine;
  }

  /** Ends the engine and what it made; networks of its containers must have been removed before. */
  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null) await ended;
    // The network namespace of host-networked containers stays mounted.
    await run('umount', [join(this.folder, 'exec/netns/default')]);
    await rm(this.folder, { recursive: true, force: true });
  }
}
