import type { TemplateView } from '@muster/shared-types';
import type { PrismaClient, Template } from '@muster/prisma';
import { z } from 'zod';

const Env = z.record(z.string(), z.string()).catch({});

/** What this account can start, by name: the market's own first. Null: somebody without an account. */
export async function templates(db: PrismaClient, userId: string | null): Promise<TemplateView[]> {
  const rows = await db.template.findMany({ where: { OR: [{ ownerId: null }, ...(userId === null ? [] : [{ ownerId: userId }])] }, orderBy: [{ ownerId: { sort: 'asc', nulls: 'first' } }, { slug: 'asc' }] });
  return rows.map(templateView);
}

/** Somebody else's is not told apart from one that does not exist. */
export const templateBySlug = (db: PrismaClient, slug: string, userId: string): Promise<Template | null> => db.template.findFirst({ where: { slug, OR: [{ ownerId: null }, { ownerId: userId }] } });

export const templateView = (row: Template): TemplateView => ({
  slug: row.slug, title: row.title, image: row.image, ports: row.ports, ssh: row.ssh, jupyter_port: row.jupyterPort, ready_port: row.readyPort, own: row.ownerId !== null, env: Env.parse(row.env),
  command: row.command, onstart: row.onstart,
});
