import { join } from 'node:path';
import { MarketClient } from '@muster/client';
import type { StopStep } from '@muster/local-services';
import { logTail } from './child.js';
import type { MarketEvent, PartName } from './events.js';
import { listOnce, untilOnline } from './first-host.js';
import type { Keeper, KeptPart } from './keeper.js';
import type { Layout } from './layout.js';
import { localAccount } from './local-accounts.js';
import { giveUpNode, type LocalHost, ownerEmail, ownerKeyFile } from './local-host.js';
import type { PreparedMarket } from './account.js';
import { agentPart, apiUrl, END_INSTANCES, type MarketContext, stopLeftovers } from './parts.js';
import { type Owner, readIfThere, writePrivate } from './private-file.js';
import { ownerOf } from './settings.js';
import { settled } from './settled.js';

/** What the nodes of this machine need of their market. */
export interface FleetMarket {
  layout: Layout;
  caller: Owner;
  /** Those that should run now. */
  hosts(): LocalHost[];
  owners(): number;
  envOf(host: LocalHost): Record<string, string>;
  keep(part: PartName, kept: KeptPart): Keeper;
  stopPart(part: PartName, steps: readonly StopStep[]): Promise<void> | undefined;
  isStopping(): boolean;
  remember(host: LocalHost, patch: { listed_node_id?: string; owner?: number }): Promise<void>;
  tell(event: MarketEvent): void;
}

/** The API key and the host API key of each owner, by number. */
type OwnerTokens = ReadonlyMap<number, string>;

/** The nodes of this machine: their owners, their agents, and that the market sees them. */
export class LocalFleet {
  private readonly faults = new Map<PartName, string>();

  constructor(private readonly market: FleetMarket) {}

  /** Engines come up beside the backend and beside each other; a node is there when the market sees it online. */
  async start(context: MarketContext, backend: Promise<void>, prepared: PreparedMarket): Promise<void> {
    this.faults.clear();
    const tokens = backend.then(() => this.ownerTokens(prepared));
    const moved = tokens.then((known) => this.giveToOwners(known, context));
    await settled([backend, tokens, moved, ...this.market.hosts().map((host) => this.startOne(context, host, prepared, tokens, moved))]);
  }

  /** An agent that ends by itself while we wait for its node says why in its log. */
  ended(part: PartName, how: string): void {
    if (!part.startsWith('agent') || !how.startsWith('exit')) return;
    const file = this.logOf(part);
    void logTail(file).then((tail) => this.faults.set(part, `the agent ended (${how}). The end of ${file}:\n${tail}`));
  }

  private async startOne(context: MarketContext, host: LocalHost, prepared: PreparedMarket, tokens: Promise<OwnerTokens>, moved: Promise<unknown>): Promise<void> {
    const startedAt = performance.now();
    if (!(await this.mayBegin(host, prepared))) await moved;
    const now = this.market.hosts().find(({ number }) => number === host.number) ?? host;
    const running = await this.market.keep(now.part, agentPart(context, now.part, () => this.market.envOf(now))).begin();
    const client = this.clientOf(context, (await tokens).get(now.owner));
    const online = await untilOnline(now.stateDir, client, () => (this.market.isStopping() ? 'the market is being stopped' : this.faults.get(now.part)), this.logOf(now.part));
    const node = await listOnce(client, online, now.listedNodeId);
    await this.market.remember(now, { listed_node_id: node.id });
    const whose = this.market.owners() > 1 ? `, of ${ownerEmail(now.owner)}` : '';
    this.market.tell({ kind: 'part', part: now.part, detail: `${now.number === 1 ? 'this machine' : 'it too'} is ${node.name}, ${node.listing}${whose}`, ms: performance.now() - startedAt, adopted: running.adopted });
  }

  /** Its key is there and good, and it stays with its owner: nothing to wait for. */
  private async mayBegin(host: LocalHost, prepared: PreparedMarket): Promise<boolean> {
    if (host.owner === 1 && !this.changesHands(host)) return true;
    return prepared.isKnown && !this.changesHands(host) && (await readIfThere(ownerKeyFile(this.market.layout, host.owner))) !== undefined;
  }

  private changesHands = (host: LocalHost): boolean => host.number !== 1 && host.owner !== ownerOf(host.number, this.market.owners());

  /** Everybody who has a node here now or is to have one. Accounts are made one after the other: they share one file. */
  private async ownerTokens({ credentials }: PreparedMarket): Promise<OwnerTokens> {
    const { layout, caller } = this.market;
    const tokens = new Map([[1, credentials.api_key]]);
    const wanted = new Set(this.market.hosts().flatMap((host) => [host.owner, ownerOf(host.number, this.market.owners())]));
    for (const owner of [...wanted].filter((number) => number !== 1).toSorted()) {
      const account = await localAccount(layout.home, ownerEmail(owner), 'user and host', caller);
      tokens.set(owner, account.api_key);
      const file = ownerKeyFile(layout, owner);
      if ((await readIfThere(file))?.trim() !== account.host_api_key) await writePrivate(file, `${account.host_api_key ?? ''}\n`);
    }
    return tokens;
  }

  private async giveToOwners(tokens: OwnerTokens, context: MarketContext): Promise<void> {
    for (const host of this.market.hosts().filter(this.changesHands)) await this.giveToOwner(host, this.clientOf(context, tokens.get(host.owner)));
  }

  private async giveToOwner(host: LocalHost, owner: MarketClient): Promise<void> {
    const next = ownerOf(host.number, this.market.owners());
    if (await giveUpNode(host, owner, () => this.endAgent(host))) return this.market.remember(host, { owner: next });
    this.market.tell({ kind: 'note', text: `node ${host.number} stays with ${ownerEmail(host.owner)}: something runs on it. When that has ended: muster up --owners ${this.market.owners()}` });
  }

  private async endAgent(host: LocalHost): Promise<void> {
    await this.market.stopPart(host.part, END_INSTANCES);
    await stopLeftovers(this.market.layout.home, host.part, END_INSTANCES);
  }

  private clientOf(context: MarketContext, token: string | undefined): MarketClient {
    return new MarketClient({ url: apiUrl(context.ports), userAgent: 'muster-up', ...(token !== undefined && { token }) });
  }

  private logOf = (part: PartName): string => join(this.market.layout.log, `${part}.log`);
}
