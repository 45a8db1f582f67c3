import { join } from 'node:path';
import { MarketClient } from '@muster/client';
import type { CliConfig } from '../config.js';
import { hostKeyFile, prepareMarket, type PreparedMarket } from './account.js';
import { findChildren, logTail } from './child.js';
import { EventLog } from './event-log.js';
import type { LiveRental, PartName, PartStatus, Places } from './events.js';
import { PART_NAMES } from './events.js';
import { listOnce, localNodeId, untilOnline } from './first-host.js';
import { findFrp, type FrpBinaries, type FrpsFiles, prepareFrps } from './frp.js';
import { Keeper, type KeptPart } from './keeper.js';
import { isAnythingLeft } from './leftovers.js';
import { type Layout, layoutOf, makeFolders } from './layout.js';
import { liveRentals } from './live-rentals.js';
import { agentPart, apiUrl, backendEnv, backendPart, frpsPart, gatePart, type MarketContext, postgresPart, redisPart, type ServerPart } from './parts.js';
import { placesOf } from './places.js';
import { marketSecrets } from './secrets.js';
import { chooseSettings, type Holder, type Settings, writeSettings } from './settings.js';
import { settled } from './settled.js';
import { stopMarket } from './stop-market.js';

export interface MarketOptions {
  config: CliConfig;
  /** `--port`. */
  apiPort: number | undefined;
  withAgent: boolean;
}

export type MarketState = 'starting' | 'ready' | 'stopping';

/**
 * The whole market of one folder. INVARIANT: one process at a time has one (it holds the folder's lock), and every part
 * outlives that process: whoever takes the lock next finds the parts by their marks and goes on with them.
 */
export class Market {
  readonly events = new EventLog();
  readonly layout: Layout;
  state: MarketState = 'starting';
  /** Something of an earlier market ran when this one began. */
  foundRunning = false;
  /** Settles when everything has been stopped. */
  readonly ended: Promise<void>;
  private readonly keepers = new Map<PartName, Keeper>();
  private settings: Settings | undefined;
  private postgres: ServerPart | undefined;
  private agentEnv: Record<string, string> | undefined;
  private agentFault: string | undefined;
  private stopped: Promise<void> | undefined;
  private end: () => void = () => undefined;

  constructor(private readonly options: MarketOptions) {
    this.layout = layoutOf(options.config.home);
    this.ended = new Promise((resolve) => (this.end = resolve));
  }

  /** Brings everything up, or adopts what runs. Throws when a part cannot be had; what runs by then goes on running. */
  async start(): Promise<Places> {
    const market = await this.context();
    const { layout } = this;
    this.agentEnv = { ...market.env, ...this.agentSettings(market, '/usr/bin/frpc') }; // enough to clear the machine
    const [postgres, redis] = [postgresPart(market), redisPart(market)];
    this.postgres = postgres;
    const frp = this.frpFiles(market);
    const early = this.settings?.tunnel_server_id === undefined ? undefined : frp.then((files) => this.tunnels(market, files));
    const [, , files] = await settled([this.keep('postgres', postgres), this.keep('redis', redis), frp, early ?? Promise.resolve()]);
    await this.remember(market);
    const env = () => backendEnv(market, { database: postgres.url(), redis: redis.url() }, files.frps.caPath);
    const prepared = await this.timed('database and account ready', () => prepareMarket(layout, { ...market.env, ...env() }, apiUrl(market.ports), this.options.config.caller));
    await this.rightTunnelServer(market, files, prepared);
    this.agentEnv = { ...market.env, ...this.agentSettings(market, files.binaries.frpc) };
    const backend = this.keep('backend', backendPart(market, env));
    const agent = this.options.withAgent ? this.firstHost(market, backend, prepared) : Promise.resolve();
    await settled([backend, agent]);
    return this.ready();
  }

  /** Ends every part, and with it the instances of this machine. Rentals are settled before the backend goes. */
  stop(): Promise<void> {
    this.state = 'stopping';
    this.stopped ??= stopMarket({
      layout: this.layout,
      keepers: this.keepers,
      tell: (event) => this.events.tell(event),
      liveRentals: () => this.liveRentals(),
      agentEnv: this.agentEnv,
    }).finally(() => this.end());
    return this.stopped;
  }

  /** A market that was found running and cannot be completed is left as it is: its rentals go on without us. */
  leave(): void {
    this.state = 'stopping';
    for (const keeper of this.keepers.values()) keeper.leave();
    this.end();
  }

  /** What would end with this machine. Throws when the database cannot say it. */
  async liveRentals(): Promise<LiveRental[]> {
    const url = this.postgres?.url();
    if (url) return liveRentals(url, await localNodeId(this.layout));
    if (this.foundRunning) throw new Error('the database does not answer');
    return [];
  }

  partStatus(): PartStatus[] {
    return PART_NAMES.flatMap((part): PartStatus[] => {
      const keeper = this.keepers.get(part);
      if (!keeper) return [];
      const running = keeper.running;
      return [{ part, state: running ? 'running' : 'down', pid: running?.pid ?? null, detail: running?.detail ?? '' }];
    });
  }

  /** Undefined until it is up. */
  async currentPlaces(): Promise<Places | undefined> {
    if (this.state !== 'ready') return undefined;
    return placesOf(this.layout, this.partStatus(), this.imagesDir);
  }

  private get imagesDir(): string {
    return this.options.config.handedOn['MUSTER_IMAGES_DIR'] ?? join(this.layout.cache, 'images');
  }

  private async context(): Promise<MarketContext> {
    const { config, apiPort } = this.options;
    const { layout } = this;
    await makeFolders(layout);
    this.foundRunning = await isAnythingLeft(layout);
    const running = new Set((await findChildren(layout.home)).map((child) => (child.name === 'backend' ? 'api' : child.name)) as Holder[]);
    this.settings = await chooseSettings(layout, { apiPort, running });
    const env = { ...config.handedOn, PATH: config.path, LC_ALL: 'C.UTF-8', CHECKPOINT_DISABLE: '1' };
    return { layout, ports: this.settings.ports, secrets: await marketSecrets(layout.secrets), env };
  }

  private async remember(market: MarketContext, more: Partial<Settings> = {}): Promise<void> {
    if (!this.settings) return;
    this.settings = { ...this.settings, ...more, ports: market.ports };
    await writeSettings(this.layout, this.settings);
  }

  private async frpFiles(market: MarketContext): Promise<{ binaries: FrpBinaries; frps: FrpsFiles }> {
    const { frpsPath, frpcPath } = this.options.config;
    const given = { ...(frpsPath && { frps: frpsPath }), ...(frpcPath && { frpc: frpcPath }) };
    const [binaries, frps] = await Promise.all([findFrp(this.layout, given, market.env), prepareFrps(this.layout, market.ports, market.env)]);
    return { binaries, frps };
  }

  /** frps exits at start when the gate does not answer, so one follows the other. */
  private async tunnels(market: MarketContext, files: { binaries: FrpBinaries; frps: FrpsFiles }): Promise<void> {
    await this.keep('gate', gatePart(market, () => this.settings?.tunnel_server_id ?? ''));
    await this.keep('frps', frpsPart(market, files.binaries.frps, files.frps.configPath));
  }

  /** The first time, and when another database was put in place, the gate gets its name only now. */
  private async rightTunnelServer(market: MarketContext, files: { binaries: FrpBinaries; frps: FrpsFiles }, prepared: PreparedMarket): Promise<void> {
    const known = this.settings?.tunnel_server_id;
    if (known === prepared.tunnelServerId) return;
    await this.remember(market, { tunnel_server_id: prepared.tunnelServerId });
    if (known !== undefined) await Promise.all((['frps', 'gate'] as const).map(async (part) => this.keepers.get(part)?.stop()));
    await this.tunnels(market, files);
  }

  private agentSettings(market: MarketContext, frpcPath: string): Record<string, string> {
    return {
      MUSTER_AGENT_BRIDGE: this.settings?.bridge ?? '',
      MUSTER_AGENT_SUBNET: this.settings?.subnet ?? '',
      ...this.options.config.handedOn,
      MUSTER_URL: apiUrl(market.ports),
      MUSTER_HOST_API_KEY_FILE: hostKeyFile(this.layout),
      MUSTER_HOME: this.layout.home,
      MUSTER_AGENT_STATE: this.layout.agent,
      MUSTER_AGENT_STOP_ENGINE: 'true',
      FRPC_PATH: frpcPath,
    };
  }

  /** The agent's own engine comes up beside the backend; the machine is online when both have met. */
  private async firstHost(market: MarketContext, backend: Promise<void>, prepared: PreparedMarket): Promise<void> {
    const startedAt = performance.now();
    const env = this.agentEnv;
    if (!env) throw new Error('the agent has no settings yet');
    const keeper = this.keeperOf('agent', agentPart(market, () => env));
    const running = await keeper.begin();
    await backend;
    const client = new MarketClient({ url: apiUrl(market.ports), token: prepared.credentials.api_key, userAgent: 'muster-up' });
    const online = await untilOnline(this.layout, client, () => (this.state === 'stopping' ? 'the market is being stopped' : this.agentFault));
    const node = await listOnce(client, online, this.settings?.listed_node_id);
    await this.remember(market, { listed_node_id: node.id });
    this.events.tell({ kind: 'part', part: 'agent', detail: `this machine is ${node.name}, ${node.listing}`, ms: performance.now() - startedAt, adopted: running.adopted });
  }

  private async keep(name: PartName, part: KeptPart): Promise<void> {
    const startedAt = performance.now();
    const running = await this.keeperOf(name, part).begin();
    this.events.tell({ kind: 'part', part: name, detail: running.detail, ms: performance.now() - startedAt, adopted: running.adopted });
  }

  private keeperOf(name: PartName, part: KeptPart): Keeper {
    if (this.state === 'stopping') throw new Error('the market is being stopped');
    const keeper = new Keeper(part, {
      onEnded: (how) => this.partEnded(name, how),
      onBack: (_running, ms) => this.events.tell({ kind: 'back', part: name, ms }),
      onFailedStart: (error) => this.events.tell({ kind: 'note', text: error instanceof Error ? error.message : String(error) }),
    });
    this.keepers.set(name, keeper);
    return keeper;
  }

  /** An agent that ends by itself while we wait for its machine says why in its log. */
  private partEnded(name: PartName, how: string): void {
    this.events.tell({ kind: 'ended', part: name, how });
    if (name !== 'agent' || this.state !== 'starting' || !how.startsWith('exit')) return;
    const file = `${this.layout.log}/agent.log`;
    void logTail(file).then((tail) => (this.agentFault = `the agent ended (${how}). The end of ${file}:\n${tail}`));
  }

  private async ready(): Promise<Places> {
    const places = await placesOf(this.layout, this.partStatus(), this.imagesDir);
    this.state = 'ready';
    this.events.tell({ kind: 'ready', places });
    return places;
  }

  private async timed<T>(text: string, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const value = await work();
    this.events.tell({ kind: 'step', text, ms: performance.now() - startedAt });
    return value;
  }
}
