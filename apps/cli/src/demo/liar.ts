import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@muster/local-services';
import type { DemoAccount, DemoNode, JobsMarket } from './jobs-market.js';
import { must } from './transcript.js';

const PROGRAM = fileURLToPath(new URL('./liar-worker.js', import.meta.url));
const ONLINE_MS = 30_000;

/** A fourth participant with an account of its own, who answers without computing. */
export class Liar {
  private constructor(
    readonly node: DemoNode,
    private readonly child: ChildProcess,
  ) {}

  static async start(market: JobsMarket): Promise<Liar> {
    const owner = await market.account('liar@muster.local', 'user and host');
    const name = `liar-${Date.now().toString(36)}`;
    const child = spawn(process.execPath, [PROGRAM, market.url, name], { stdio: ['pipe', 'ignore', 'pipe'] });
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => (words = `${words}${chunk.toString()}`.slice(-2_000)));
    child.stdin.end(owner.hostApiKey ?? '');
    try {
      const id = await waitFor(async () => (child.exitCode === null ? nodeOf(owner, name) : 'ended'), { deadlineMs: ONLINE_MS, what: 'the liar to be on the market', everyMs: 100 });
      must(id !== 'ended', `The liar ended: ${words.trim()}`);
      return new Liar({ id, name, owner }, child);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** Ends it, and takes its node off the market for good. */
  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.node.owner.client.call('retireNode', { params: { node_id: this.node.id }, body: { force: true } });
  }
}

async function nodeOf(owner: DemoAccount, name: string): Promise<string | undefined> {
  const { items } = await owner.client.call('listNodes', { query: { of: 'mine', limit: 200 } });
  return items.find((node) => node.name === name && node.presence === 'online')?.id;
}
