import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { CLI } from './caches.js';
import type { Market } from './market.js';

const LEAVE_MS = 120_000;

/**
 * This machine, joined by the command that a page shows: it takes the place that the market keeps for its first host, so that
 * `down` finds and removes whatever a killed run leaves of it.
 */
export class JoinedHost {
  private constructor(private readonly agent: ChildProcess) {}

  /** `line`: as it stands on the page, `NAME=value… ./muster node join …`. */
  static start(market: Market, line: string): JoinedHost {
    const words = line.split(' ');
    const given = Object.fromEntries(words.filter((word) => /^MUSTER_[A-Z_]+=/.test(word)).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
    const command = words.slice(words.indexOf('./muster') + 1);
    const { bridge, subnet } = market.settings();
    const env = { ...market.env, MUSTER_AGENT_BRIDGE: bridge, MUSTER_AGENT_SUBNET: subnet, MUSTER_AGENT_STATE: join(market.home, 'agent'), ...given };
    const agent = spawn(process.execPath, [CLI, ...command], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(market.home, 'log', 'agent.log'));
    agent.stdout.pipe(log);
    agent.stderr.pipe(log);
    return new JoinedHost(agent);
  }

  /** With everything that it runs. */
  async leave(): Promise<void> {
    if (this.agent.exitCode !== null || this.agent.signalCode !== null) return;
    const gone = new Promise((resolve) => this.agent.once('exit', resolve));
    this.agent.kill('SIGTERM');
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, LEAVE_MS).unref())]);
  }
}
