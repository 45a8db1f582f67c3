import type { Prisma } from '@muster/prisma';

/** Something that is always true, as the query that finds what breaks it. */
export interface Invariant {
  id: string;
  title: string;
  /** One row per violation, with the name of the thing that breaks the invariant as `what`. */
  violations: Prisma.Sql;
}
