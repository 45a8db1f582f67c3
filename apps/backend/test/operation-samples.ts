import { operations, type OperationName, type OperationSpec, type OwnerRule } from '@muster/shared-types';
import { fund } from './market-fixtures.js';
import { plainHeartbeat, SimulatedAgent, simulatedInventory } from './simulated-agent.js';
import type { TestAccount, TestApp } from './app.js';

export const SSH_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC me';

/** A job that never runs: no node has that much memory. */
const HELLO = { name: 'hello', docker_image: 'workspace', command: ['echo', 'hello'], memory_mb: 16_000_000, max_price_usd: '0.01' };
const WORKER = { name: 'http-worker', cpu_cores: 1, memory_mb: 512 };
const TEMPLATE = { title: 'Web server', image: 'nginx:1.27', ports: [80], ready_port: 80 };
const UPLOAD = { size: 5, sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03' };

/** One person with something of everything that an operation can name. */
export interface Estate {
  account: TestAccount;
  hostKey: string;
  agent: SimulatedAgent;
  offerId: string;
  dphTotal: string;
  sshKeyId: string;
  apiKeyId: string;
  rentalId: string;
  jobId: string;
  /** A machine of theirs that only speaks HTTP. */
  workerId: string;
  /** Once leased to that machine; its lease has ended. */
  executionId: string;
  uploadId: string;
  templateSlug: string;
}

/** A person with a machine on the market, money, keys, and a rental on that machine which never gets past its start. */
export async function makeEstate(market: TestApp): Promise<Estate> {
  const account = await market.signUp();
  await fund(market.db.client, account.id, 50_000_000n);
  const agent = await SimulatedAgent.enrol(market, account);
  agent.plays = 'stays';
  await agent.connect();
  await agent.beat();
  await expectOk(market.call('listNode', { token: account.token, params: { node_id: agent.nodeId } }));
  const offers = await expectOk(market.call('searchOffers', { query: { limit: 200 } }));
  const offer = offers.items.find((one: { node_id: string }) => one.node_id === agent.nodeId);
  const sshKey = await expectOk(market.call('addSshKey', { token: account.token, body: { name: 'laptop', public_key: SSH_KEY } }));
  const apiKey = await market.makeKey(account);
  const body = { offer_id: offer.id, expected_dph_total: offer.dph_total };
  const rental = await expectOk(market.call('createRental', { token: account.token, body }));
  const job = await expectOk(market.call('createJob', { token: account.token, body: HELLO }));
  const worker = await expectOk(market.call('registerNode', { token: agent.hostKey, body: WORKER }));
  const executionId = await leasedOnce(market, job.id, worker.node_id, account.id);
  const upload = await expectOk(market.call('createUpload', { token: account.token, body: UPLOAD }));
  const template = await expectOk(market.call('createTemplate', { token: account.token, body: { ...TEMPLATE, slug: `own-${account.id.slice(0, 30)}x` } }));
  return { templateSlug: template.slug, account, agent, hostKey: agent.hostKey, offerId: offer.id, dphTotal: offer.dph_total, sshKeyId: sshKey.id, apiKeyId: apiKey.id, rentalId: rental.id, jobId: job.id, workerId: worker.node_id, executionId, uploadId: upload.upload_id };
}

async function leasedOnce(market: TestApp, jobId: string, nodeId: string, ownerId: string): Promise<string> {
  const { id } = await market.db.client.jobExecution.findFirstOrThrow({ where: { jobId } });
  await market.db.client.jobExecution.update({ where: { id }, data: { status: 'expired', nodeId, ownerId, distinctKey: ownerId } });
  return id;
}

async function expectOk(answer: ReturnType<TestApp['call']>) {
  const { status, body } = await answer;
  if (status >= 300) throw new Error(`fixture refused: ${JSON.stringify(body)}`);
  return body;
}

type Owned = Exclude<OwnerRule, 'none' | 'self'>;

/** How to name somebody's thing. A new kind of owner does not compile until it stands here. */
const paramsByOwner: Record<Owned, (of: Estate) => Record<string, string>> = {
  rental: ({ rentalId }) => ({ rental_id: rentalId }),
  node: ({ agent }) => ({ node_id: agent.nodeId }),
  api_key: ({ apiKeyId }) => ({ api_key_id: apiKeyId }),
  ssh_key: ({ sshKeyId }) => ({ ssh_key_id: sshKeyId }),
  session: ({ account }) => ({ session_id: account.tokens.session_id }),
  job: ({ jobId }) => ({ job_id: jobId }),
  template: ({ templateSlug }) => ({ slug: templateSlug }),
  upload: ({ uploadId }) => ({ upload_id: uploadId }),
};

/** For operations whose path names something although only the caller's own can appear. */
const paramsByOperation: Partial<Record<OperationName, (of: Estate) => Record<string, string>>> = {
  getCredits: () => ({ owner: 'me' }),
  reportResult: ({ workerId }) => ({ node_id: workerId }),
  suspendUser: ({ account }) => ({ user_id: account.id }),
  unsuspendUser: ({ account }) => ({ user_id: account.id }),
  quarantineNode: ({ agent }) => ({ node_id: agent.nodeId }),
  releaseNode: ({ agent }) => ({ node_id: agent.nodeId }),
  getBlob: ({ uploadId }) => ({ key: `inputs:${uploadId}` }),
  putBlob: ({ uploadId }) => ({ key: `inputs:${uploadId}` }),
};

/** A body that the schema accepts, naming this person's things where it names any. */
const bodies: Partial<Record<OperationName, (of: Estate) => unknown>> = {
  signUp: () => ({ email: `new-${Math.random().toString(36).slice(2)}@example.com`, password: 'long enough for this' }),
  signIn: ({ account }) => ({ email: account.email, password: account.password }),
  refreshSession: () => ({ refresh_token: 'msr_not-one-of-ours' }),
  createApiKey: () => ({ name: 'sample' }),
  addSshKey: () => ({ name: 'sample', public_key: SSH_KEY.replace('AICA', 'AIDA') }),
  enrolNode: ({ agent }) => ({ public_key: agent.key.publicKey, nonce: 'unknown-nonce', signature: 'x', inventory: simulatedInventory() }),
  heartbeat: ({ agent }) => plainHeartbeat(agent.nodeId),
  priceNode: () => ({ cpu_core_dph: '0.02' }),
  retireNode: () => ({ force: true }),
  createQuote: ({ offerId }) => ({ offer_id: offerId }),
  createRental: ({ offerId, dphTotal, sshKeyId }) => ({ offer_id: offerId, expected_dph_total: dphTotal, ssh_key_ids: [sshKeyId] }),
  grantCredit: ({ account }) => ({ email: account.email, amount_usd: '1' }),
  resetPassword: () => ({ email: 'nobody@example.com' }),
  quoteJob: () => HELLO,
  createJob: () => HELLO,
  createUpload: () => UPLOAD,
  planMaintenance: () => ({ until: new Date(Date.now() + 86_400_000).toISOString(), reason: 'new fans' }),
  readNotifications: () => ({}),
  createTemplate: () => ({ ...TEMPLATE, slug: `new-${Math.random().toString(36).slice(2)}` }),
  replaceTemplate: () => TEMPLATE,
  suspendUser: () => ({ reason: 'sample' }),
  quarantineNode: () => ({ reason: 'sample' }),
  setWall: () => ({ shown: true }),
  registerNode: () => WORKER,
  reportResult: ({ workerId, executionId }) => ({ execution_id: executionId, node_id: workerId, result: null, result_hash: null, error: { code: 'exit_code', blame: 'job', message: 'none' } }),
};

export interface Sample {
  params: Record<string, string>;
  body?: unknown;
}

/** A well-formed request of this operation about this person's things. Throws for one that has no fixture. */
export function sampleOf(name: OperationName, of: Estate): Sample {
  const spec: OperationSpec = operations[name];
  const params = paramsByOperation[name]?.(of) ?? (spec.owner === 'none' || spec.owner === 'self' ? {} : paramsByOwner[spec.owner](of));
  const missing = Object.keys(spec.params?.shape ?? {}).filter((param) => !(param in params));
  if (missing.length > 0) throw new Error(`${name}: no fixture names ${missing.join(', ')} (test/operation-samples.ts)`);
  if (!spec.body) return { params };
  const body = bodies[name]?.(of);
  if (!spec.body.safeParse(body).success) throw new Error(`${name}: no body that its schema accepts (test/operation-samples.ts)`);
  return { params, body };
}
