import { z } from 'zod';

/** In the order in which they are shown; after them the agents of further nodes of this machine. */
export const PART_NAMES = ['postgres', 'redis', 'gate', 'frps', 'backend', 'web', 'agent'] as const;
export const PartName = z.union([z.enum(PART_NAMES), z.templateLiteral(['agent-', z.number().int().min(2)])]);
export type PartName = z.infer<typeof PartName>;

export const PartStatus = z.object({ part: PartName, state: z.enum(['running', 'down']), pid: z.number().nullable(), detail: z.string() });
export type PartStatus = z.infer<typeof PartStatus>;

/** Where everything is, once a market runs. */
export const Places = z.object({
  url: z.string(),
  docs_url: z.string(),
  /** Where people look; null without the web app. */
  web_url: z.string().nullable(),
  home: z.string(),
  log_dir: z.string(),
  supervisor_pid: z.number().int(),
  credentials_file: z.string(),
  /** `credit_usd` was granted once; `balance_usd` is left now, null when the market does not answer. */
  account: z.object({ email: z.string(), credit_usd: z.string(), balance_usd: z.string().nullable() }),
  parts: z.array(PartStatus),
  /** The first of `nodes`. */
  node: z.object({ id: z.string(), name: z.string(), status: z.string(), listing: z.string() }).nullable(),
  /** Every node of this machine that runs. */
  nodes: z.array(z.object({ number: z.number().int(), id: z.string(), name: z.string(), owner: z.string(), status: z.string(), listing: z.string(), cpu_cores: z.number().int(), ram_mb: z.number().int() })),
  /** What more than one node on one machine means for its CPU, in words; null with one node. */
  sharing: z.string().nullable(),
  /** Goes on in the background: what it is, in words. */
  preparing: z.array(z.string()),
});
export type Places = z.infer<typeof Places>;

export const LiveRental = z.object({ id: z.string(), renter: z.string(), node: z.string(), status: z.string(), started_at: z.string().nullable(), dph_total: z.string() });
export type LiveRental = z.infer<typeof LiveRental>;

/** What a supervisor tells everyone who follows it. */
export const MarketEvent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('part'), part: PartName, detail: z.string(), ms: z.number(), adopted: z.boolean() }),
  z.object({ kind: z.literal('step'), text: z.string(), ms: z.number() }),
  z.object({ kind: z.literal('ended'), part: PartName, how: z.string() }),
  z.object({ kind: z.literal('back'), part: PartName, ms: z.number() }),
  z.object({ kind: z.literal('note'), text: z.string() }),
  z.object({ kind: z.literal('ready'), places: Places }),
  z.object({ kind: z.literal('failed'), message: z.string(), hint: z.string().optional(), exit_code: z.number().int() }),
  z.object({ kind: z.literal('would-end'), rentals: z.array(LiveRental).nullable() }),
  z.object({ kind: z.literal('stopping'), ends: z.array(LiveRental) }),
  z.object({ kind: z.literal('stopped'), ms: z.number() }),
]);
export type MarketEvent = z.infer<typeof MarketEvent>;

/** One JSON line from a command to the supervisor. */
export const ControlRequest = z.discriminatedUnion('command', [
  z.object({ command: z.literal('follow') }),
  z.object({ command: z.literal('status') }),
  /** As many nodes of this machine, of as many owners; null = as it is. Goes on with events until `ready` or `failed`. */
  z.object({ command: z.literal('resize'), nodes: z.number().int().nullable(), owners: z.number().int().nullable() }),
  /** Without `force` it is refused while rentals run. */
  z.object({ command: z.literal('down'), force: z.boolean() }),
]);
export type ControlRequest = z.infer<typeof ControlRequest>;

/** JSON lines back. `down` and `follow` go on with events. */
export const ControlAnswer = z.union([
  MarketEvent,
  z.object({ kind: z.literal('status'), state: z.enum(['starting', 'ready', 'stopping']), parts: z.array(PartStatus), places: Places.nullable() }),
  /** `null`: the database does not answer, so nobody can say what would end. */
  z.object({ kind: z.literal('refused'), rentals: z.array(LiveRental).nullable() }),
]);
export type ControlAnswer = z.infer<typeof ControlAnswer>;
