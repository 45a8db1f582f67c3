import { randomUUID } from 'node:crypto';
import { MarketClient } from '@muster/client';
import { waitFor } from '@muster/local-services';
import { type ExecutionView, formatUsd, type JobSubmissionInput, type JobView, type NodeView, parseUsd, type TaskView } from '@muster/shared-types';
import type { CliContext } from '../context.js';
import { credentialsPath, readCredentials } from '../credentials.js';
import { executionsOf, tasksOf } from '../jobs/report.js';
import { escrowOf, hasEnded } from '../jobs/job-words.js';
import { localAccount } from '../market/local-accounts.js';
import { CliError, EXIT } from '../output/exit-codes.js';

const IMAGE = /(^|\/)workspace(:|$)/;
const READY_MS = 5 * 60_000;
const JOB_MS = 5 * 60_000;
const STARTING_CREDIT_USD = '5';
export const SUBMITTER = 'submitter@muster.local';

export interface DemoAccount {
  email: string;
  client: MarketClient;
  apiKey: string;
  hostApiKey: string | undefined;
}

/** A node of this machine with whoever may act for it. */
export interface DemoNode {
  id: string;
  name: string;
  owner: DemoAccount;
}

/** A job with everything that is known of it once nothing of it runs any more. */
export interface RunJob {
  job: JobView;
  tasks: TaskView[];
  executions: ExecutionView[];
  /** From submission until the result was seen, as whoever waits for it measures it. */
  completedMs: number;
}

/** What the story of jobs needs of the market of this machine. */
export class JobsMarket {
  private constructor(
    private readonly context: CliContext,
    readonly url: string,
    readonly operator: DemoAccount,
    /** Every account of this machine. */
    private readonly accounts: DemoAccount[],
  ) {}

  static async open(context: CliContext): Promise<JobsMarket> {
    const credentials = await readCredentials(context.config.home);
    if (!credentials) throw new CliError(`${credentialsPath(context.config.home)} cannot be read.`, EXIT.failed, 'Call this as the person who called muster up.');
    const { url, email, api_key } = credentials;
    const accountOf = (account: { email: string; api_key: string; host_api_key?: string | undefined }): DemoAccount => ({
      email: account.email, apiKey: account.api_key, hostApiKey: account.host_api_key, client: new MarketClient({ url, token: account.api_key, userAgent: 'muster-demo' }),
    });
    const operator = accountOf({ email, api_key });
    return new JobsMarket(context, url, operator, [operator, ...(credentials.others ?? []).map(accountOf)]);
  }

  /** An account of this machine, made when it is missing. */
  async account(email: string, keys: 'user' | 'user and host'): Promise<DemoAccount> {
    const { home, caller } = this.context.config;
    const made = await localAccount(home, email, keys, caller);
    return { email, apiKey: made.api_key, hostApiKey: made.host_api_key, client: new MarketClient({ url: this.url, token: made.api_key, userAgent: 'muster-demo' }) };
  }

  /** The account that owns no node, with at least $5 to spend. */
  async submitter(): Promise<DemoAccount> {
    const account = await this.account(SUBMITTER, 'user');
    if (parseUsd((await account.client.call('getBalance', {})).available_usd) < parseUsd(STARTING_CREDIT_USD)) {
      await this.operator.client.call('grantCredit', { body: { email: SUBMITTER, amount_usd: STARTING_CREDIT_USD }, idempotencyKey: randomUUID() });
    }
    return account;
  }

  /** Nodes of this machine's accounts that run agents, on the market and with the image, once `least` owners have one. */
  async readyNodes(least: number): Promise<DemoNode[]> {
    return waitFor(async () => {
      const nodes = await this.nodesWithImage();
      return new Set(nodes.map((node) => node.owner.email)).size >= least ? nodes : undefined;
    }, { deadlineMs: READY_MS, what: `${least} nodes of ${least} owners to be online with the image workspace (see: muster status)`, everyMs: 500 });
  }

  private async nodesWithImage(): Promise<DemoNode[]> {
    const all = await Promise.all(this.accounts.map(async (owner) => {
      const { items } = await owner.client.call('listNodes', { query: { of: 'mine', limit: 200 } });
      const views = await Promise.all(items.filter(({ presence, lifecycle }) => presence === 'online' && lifecycle === 'verified').map(({ id }) => viewOf(owner, id)));
      return views.filter((node) => node.inventory.images.some((image) => IMAGE.test(image))).map(({ id, name }) => ({ id, name, owner }));
    }));
    return all.flat();
  }

  /** Only these take work; the others are off the market until they are listed again. */
  async listOnly(nodes: readonly DemoNode[], wanted: readonly DemoNode[]): Promise<void> {
    for (const { id, owner } of nodes) {
      const { listing } = await viewOf(owner, id);
      const isWanted = wanted.some((node) => node.id === id);
      if (isWanted && listing === 'unlisted') await owner.client.call('listNode', { params: { node_id: id } });
      if (!isWanted && listing === 'listed') await owner.client.call('unlistNode', { params: { node_id: id } });
    }
  }

  async reputations(nodes: readonly DemoNode[]): Promise<Record<string, number>> {
    const views = await Promise.all(nodes.map(({ id, owner }) => viewOf(owner, id)));
    return Object.fromEntries(views.map((node) => [node.name, node.reputation]));
  }

  async run(submitter: DemoAccount, body: JobSubmissionInput): Promise<RunJob> {
    const startedAt = performance.now();
    const { id } = await submitter.client.call('createJob', { idempotencyKey: randomUUID(), body });
    await waitFor(async () => hasEnded(await jobOf(submitter, id)), { deadlineMs: JOB_MS, what: `the job ${body.name} to end`, everyMs: 50 });
    return this.settled(submitter, id, performance.now() - startedAt);
  }

  /** Waits until its late copies have been judged and the escrow is empty. */
  async settled(submitter: DemoAccount, id: string, completedMs: number): Promise<RunJob> {
    const access = { client: submitter.client, url: this.url, dir: '' };
    return waitFor(async () => {
      const executions = await executionsOf(access, id);
      const job = await jobOf(submitter, id);
      const runs = executions.some(({ status }) => status === 'ready' || status === 'leased' || status === 'running');
      if (runs || escrowOf(job) !== 0n) return undefined;
      return { job, executions, tasks: await tasksOf(access, id), completedMs };
    }, { deadlineMs: JOB_MS, what: 'every copy of the job to be judged and its escrow to be empty', everyMs: 100 });
  }
}

const viewOf = (owner: DemoAccount, id: string): Promise<NodeView> => owner.client.call('getNode', { params: { node_id: id } });
const jobOf = (submitter: DemoAccount, id: string): Promise<JobView> => submitter.client.call('getJob', { params: { job_id: id } });

export const sumUsd = (amounts: readonly string[]): string => formatUsd(amounts.reduce((sum, amount) => sum + parseUsd(amount), 0n));
