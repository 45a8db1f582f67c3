import pg from 'pg';

/** The error with which Postgres refuses a statement; throws when it does not. */
export async function refusalOf(client: pg.Client, statement: string): Promise<pg.DatabaseError> {
  const outcome: unknown = await client.query(statement).then(() => undefined, (error: unknown) => error);
  if (!(outcome instanceof pg.DatabaseError)) throw new Error(`not refused: ${statement}`, { cause: outcome });
  return outcome;
}
