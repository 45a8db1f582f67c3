import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { CliConfig } from '../config.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { prepareMarket, type PreparedMarket } from './account.js';
import { findChildren } from './child.js';
import { EventLog } from './event-log.js';
import type { LiveRental, PartName, PartStatus, Places } from './events.js';
import { PART_NAMES } from './events.js';
import { localNodeId } from './first-host.js';
import { findFrp, type FrpBinaries, type FrpsFiles, prepareFrps } from './frp.js';
import { Keeper, type KeptPart } from './keeper.js';
import { isAnythingLeft } from './leftovers.js';
import { type Layout, layoutOf, makeFolders, programOf } from './layout.js';
import { liveRentals } from './live-rentals.js';
import { agentEnv, type LocalHost, localHosts } from './local-host.js';
import { LocalFleet } from './local-fleet.js';
import { apiUrl, backendEnv, backendPart, frpsPart, gatePart, type MarketContext, postgresPart, redisPart, type ServerPart, webPart } from './parts.js';
import { placesOf } from './places.js';
import { marketSecrets } from './secrets.js';
import { chooseNodes, chooseSettings, type Holder, type Settings, writeSettings } from './settings.js';
import { settled } from './settled.js';
import { stopMarket } from './stop-market.js';

export interface MarketOptions {
  config: CliConfig;
  /** `--port`. */
  apiPort: number | undefined;
  /** `--web-port`; undefined = as before. */
  webPort?: number | undefined;
  withAgent: boolean;
  /** False with `--no-web`. */
  withWeb?: boolean | undefined;
  /** `--nodes`, `--owners`; undefined = as before. */
  nodes?: number | undefined;
  owners?: number | undefined;
}

/** What is needed to change a market that is up. */
interface Running {
  market: MarketContext;
  prepared: PreparedMarket;
  backendEnv: () => Record<string, string>;
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
  private agentBase: Record<string, string> | undefined;
  private running: Running | undefined;
  private readonly fleet: LocalFleet;
  private stopped: Promise<void> | undefined;
  private end: () => void = () => undefined;

  constructor(private readonly options: MarketOptions) {
    this.layout = layoutOf(options.config.home);
    this.ended = new Promise((resolve) => (this.end = resolve));
    this.fleet = new LocalFleet({
      layout: this.layout,
      caller: options.config.caller,
      hosts: () => this.runningHosts(),
      owners: () => this.settings?.owners ?? 1,
      envOf: (host) => this.envOf(host),
      keep: (part, kept) => this.keeperOf(part, kept),
      stopPart: (part, steps) => this.keepers.get(part)?.stop(steps),
      isStopping: () => this.state === 'stopping',
      remember: (host, patch) => this.rememberHost(host, patch),
      tell: (event) => this.events.tell(event),
    });
  }

  /** Brings everything up, or adopts what runs. Throws when a part cannot be had; what runs by then goes on running. */
  async start(): Promise<Places> {
    const market = await this.context();
    const { layout } = this;
    this.agentBase = { ...market.env, MUSTER_URL: apiUrl(market.ports), FRPC_PATH: '/usr/bin/frpc' }; // enough to clear the machine
    const [postgres, redis] = [postgresPart(market), redisPart(market)];
    this.postgres = postgres;
    const frp = this.frpFiles(market);
    const web = (await this.wantsWeb()) ? this.keep('web', webPart(market)) : undefined; // needs nobody to come up
    web?.catch(() => undefined); // told below, when everything else had its turn
    const early = this.settings?.tunnel_server_id === undefined ? undefined : frp.then((files) => this.tunnels(market, files));
    const [, , files] = await settled([this.keep('postgres', postgres), this.keep('redis', redis), frp, early ?? Promise.resolve()]);
    await this.remember(market);
    const env = () => ({ ...backendEnv(market, { database: postgres.url(), redis: redis.url() }, files.frps.caPath), ...this.distinctBy(market), ...this.options.config.forBackend });
    const prepared = await this.timed('database and account ready', () => prepareMarket(layout, { ...market.env, ...env() }, apiUrl(market.ports), this.options.config.caller));
    await this.rightTunnelServer(market, files, prepared);
    this.agentBase = { ...market.env, MUSTER_URL: apiUrl(market.ports), FRPC_PATH: files.binaries.frpc };
    this.running = { market, prepared, backendEnv: env };
    await settled([this.backendAndHosts(this.running), web ?? Promise.resolve()]);
    return this.ready();
  }

  /** As many nodes, of as many owners, beside what runs. Fewer than run go on: an end of theirs is the whole market's. */
  async resize(nodes: number | undefined, owners: number | undefined): Promise<void> {
    const { settings, running } = this;
    if (this.state !== 'ready' || !running || !settings) throw new CliError('the market is still starting', EXIT.refused, 'Try again in some seconds');
    if (!this.options.withAgent) throw new CliError('this market runs without a host here', EXIT.refused, 'Start it with one: muster down, then muster up --nodes 3');
    if (nodes !== undefined && nodes < settings.nodes) this.events.tell({ kind: 'note', text: `${settings.nodes} nodes go on; fewer come with: muster down, then muster up --nodes ${nodes}` });
    const wish = { nodes: nodes === undefined ? undefined : Math.max(nodes, settings.nodes), owners };
    await this.remember(running.market, await chooseNodes(this.layout, settings, settings, wish));
    for (const [part, keeper] of this.keepers) if (part === 'backend' || part.startsWith('agent')) keeper.leave(); // whoever starts it next goes on with it
    await this.backendAndHosts(running);
    await this.ready();
  }

  private async backendAndHosts({ market, prepared, backendEnv: env }: Running): Promise<void> {
    const backend = this.keep('backend', backendPart(market, env));
    await settled([backend, this.options.withAgent ? this.fleet.start(market, backend, prepared) : Promise.resolve()]);
  }

  /** Ends every part, and with it the instances of this machine. Rentals are settled before the backend goes. */
  stop(): Promise<void> {
    this.state = 'stopping';
    this.stopped ??= stopMarket({
      layout: this.layout,
      keepers: this.keepers,
      tell: (event) => this.events.tell(event),
      liveRentals: () => this.liveRentals(),
      hosts: this.hosts().map((host) => ({ host, env: this.envOf(host) })),
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
    const nodeIds = await Promise.all(this.hosts().map((host) => localNodeId(host.stateDir)));
    if (url) return liveRentals(url, nodeIds.filter((id) => id !== undefined));
    if (this.foundRunning) throw new Error('the database does not answer');
    return [];
  }

  partStatus(): PartStatus[] {
    const parts = [...PART_NAMES, ...[...this.keepers.keys()].filter((part) => part.startsWith('agent-')).toSorted()];
    return parts.flatMap((part): PartStatus[] => {
      const keeper = this.keepers.get(part);
      if (!keeper) return [];
      const running = keeper.running;
      return [{ part, state: running ? 'running' : 'down', pid: running?.pid ?? null, detail: running?.detail ?? '' }];
    });
  }

  /** Undefined until it is up. */
  async currentPlaces(): Promise<Places | undefined> {
    if (this.state !== 'ready') return undefined;
    return this.places();
  }

  private places(): Promise<Places> {
    return placesOf(this.layout, this.partStatus(), this.options.withAgent ? this.runningHosts() : [], this.imagesDir);
  }

  private get imagesDir(): string {
    return this.options.config.handedOn['MUSTER_IMAGES_DIR'] ?? join(this.layout.cache, 'images');
  }

  private async context(): Promise<MarketContext> {
    const { config, apiPort, nodes, owners } = this.options;
    const webPort = this.options.webPort ?? config.webPort;
    const { layout } = this;
    await makeFolders(layout);
    this.foundRunning = await isAnythingLeft(layout);
    const running = new Set((await findChildren(layout.home)).map((child) => (child.name === 'backend' ? 'api' : child.name)) as Holder[]);
    this.settings = await chooseSettings(layout, { apiPort, webPort, running, nodes, owners });
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

  /** Every node that was ever run here. */
  private hosts(): LocalHost[] {
    return this.settings ? localHosts(this.layout, this.settings) : [];
  }

  private runningHosts(): LocalHost[] {
    return this.hosts().filter((host) => host.number <= (this.settings?.nodes ?? 1));
  }

  private envOf(host: LocalHost): Record<string, string> {
    if (!this.settings || !this.agentBase) throw new Error('the market has no settings yet');
    return { ...this.agentBase, ...agentEnv(this.layout, this.settings, host, this.options.config.handedOn), FRPC_PATH: this.agentBase['FRPC_PATH'] ?? '' };
  }

  private async rememberHost(host: LocalHost, patch: { listed_node_id?: string; owner?: number }): Promise<void> {
    if (!this.settings || !this.running) return;
    const further = this.settings.further_nodes.map((node) => (node.number === host.number ? { ...node, ...patch } : node));
    const first = host.number === 1 && patch.listed_node_id !== undefined ? { listed_node_id: patch.listed_node_id } : {};
    await this.remember(this.running.market, { ...first, further_nodes: further });
  }

  /** A tree that was built without it (its packages alone) has a market all the same. */
  private async wantsWeb(): Promise<boolean> {
    if (this.options.withWeb === false) return false;
    const isBuilt = await access(programOf('frontend')).then(() => true, () => false);
    if (!isBuilt) this.events.tell({ kind: 'note', text: 'the web app is not built, so it is left out; build it with: pnpm run build' });
    return isBuilt;
  }

  /** Where one owner has every node, copies on different nodes are all there can be. */
  private distinctBy({ env }: MarketContext): Record<string, string> {
    return { MUSTER_DISTINCT_BY: env['MUSTER_DISTINCT_BY'] ?? ((this.settings?.owners ?? 1) > 1 ? 'owner' : 'node') };
  }

  private async keep(name: PartName, part: KeptPart): Promise<void> {
    const startedAt = performance.now();
    const running = await this.keeperOf(name, part).begin();
    this.events.tell({ kind: 'part', part: name, detail: running.detail, ms: performance.now() - startedAt, adopted: running.adopted });
  }

  private keeperOf(name: PartName, part: KeptPart): Keeper {
    if (this.state === 'stopping') throw new Error('the market is being stopped');
    const keeper = new Keeper(part, {
      onEnded: (how) => {
        this.events.tell({ kind: 'ended', part: name, how });
        if (this.state === 'starting') this.fleet.ended(name, how);
      },
      onBack: (_running, ms) => this.events.tell({ kind: 'back', part: name, ms }),
      onFailedStart: (error) => this.events.tell({ kind: 'note', text: error instanceof Error ? error.message : String(error) }),
    });
    this.keepers.set(name, keeper);
    return keeper;
  }

  private async ready(): Promise<Places> {
    const places = await this.places();
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
