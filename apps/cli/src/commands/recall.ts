import { join } from 'node:path';
import { OfferId, Uuid } from '@muster/shared-types';
import { z } from 'zod';
import type { CliConfig } from '../config.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { personalDir } from './access.js';
import { readText, writePersonal } from './personal-files.js';

/** What the numbers 1, 2, 3 … stand for: the last `search`, the last `ls` or `rent`, the last `node ls`, the last `list` or `submit`. */
const Recall = z.object({
  offers: z.array(OfferId).default([]),
  rentals: z.array(Uuid).default([]),
  nodes: z.array(Uuid).default([]),
  keys: z.array(Uuid).default([]),
  jobs: z.array(Uuid).default([]),
});
type Recall = z.infer<typeof Recall>;
export type RecallKind = keyof Recall;

const pathOf = (config: CliConfig): string => join(personalDir(config), 'last.json');

async function read(config: CliConfig): Promise<Recall> {
  const text = await readText(pathOf(config));
  return Recall.parse(text === null ? {} : JSON.parse(text));
}

export async function remember(config: CliConfig, kind: RecallKind, ids: readonly string[]): Promise<void> {
  const known = await read(config);
  await writePersonal(config, pathOf(config), `${JSON.stringify({ ...known, [kind]: ids })}\n`);
}

/** Puts one id first, so that it is number 1 from now on. */
export async function rememberFirst(config: CliConfig, kind: RecallKind, id: string): Promise<void> {
  const known = await read(config);
  await remember(config, kind, [id, ...known[kind].filter((other) => other !== id)]);
}

export const recalled = async (config: CliConfig, kind: RecallKind): Promise<readonly string[]> => (await read(config))[kind];

const LISTED_BY: Record<RecallKind, string> = { offers: 'muster search', rentals: 'muster ls', nodes: 'muster node ls', keys: 'muster keys ls', jobs: 'muster list' };

/**
 * The id behind what a person typed: a number of the last list, a whole id, or a short one (`rental_01j…`, or at least
 * six characters of it). `all` lists every id there is, asked only for short ids.
 */
export async function resolveId(config: CliConfig, kind: RecallKind, typed: string, all: () => Promise<readonly string[]>): Promise<string> {
  const text = typed.trim().toLowerCase().replace(/^(rental|node|offer|key|job)_/, '');
  if (/^\d{1,4}$/.test(text)) return byNumber(await read(config), kind, Number(text));
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}/.test(text)) return text;
  const compact = text.replaceAll('-', '');
  if (!/^[0-9a-f]{6,32}/.test(compact)) throw new CliError(`${typed} is neither a number of the last list nor an id.`, EXIT.usage, `See what there is with: ${LISTED_BY[kind]}`);
  return onlyOne(typed, kind, (await all()).filter((id) => matchesShort(id, compact)));
}

function byNumber(known: Recall, kind: RecallKind, number: number): string {
  const id = known[kind][number - 1];
  if (id === undefined) throw new CliError(`There is no number ${number} in the last list.`, EXIT.notFound, `List again with: ${LISTED_BY[kind]}`);
  return id;
}

function onlyOne(typed: string, kind: RecallKind, found: readonly string[]): string {
  const [id, another] = found;
  if (id === undefined) throw new CliError(`Nothing of yours begins or ends with ${typed}.`, EXIT.notFound, `See what there is with: ${LISTED_BY[kind]}`);
  if (another !== undefined) throw new CliError(`${typed} stands for ${found.length} ids.`, EXIT.usage, 'Type more of it.');
  return id;
}

/** Ids of one minute begin alike (they carry the time), so what is shown is the end of it; both are taken. */
function matchesShort(id: string, compact: string): boolean {
  const whole = id.replaceAll('-', '');
  return whole.startsWith(compact) || whole.slice(0, 32).endsWith(compact);
}

/** The short form that people see: `rental_` and the last eight characters. */
export const shortId = (prefix: string, id: string): string => `${prefix}_${id.replaceAll('-', '').slice(24, 32)}`;
