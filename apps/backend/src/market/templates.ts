import type { z } from 'zod';
import type { TemplateView } from '@muster/shared-types';
import type { PrismaClient, Template } from '@muster/prisma';

/** What can be started, by name. */
export async function templates(db: PrismaClient): Promise<z.infer<typeof TemplateView>[]> {
  const rows = await db.template.findMany({ orderBy: { slug: 'asc' } });
  return rows.map(({ slug, title, image, ports, ssh, jupyterPort }) => ({ slug, title, image, ports, ssh, jupyter_port: jupyterPort }));
}

export const templateBySlug = (db: PrismaClient, slug: string): Promise<Template | null> => db.template.findUnique({ where: { slug } });
