import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** A further account that `up` or the demo made here. */
export const LocalAccount = z.object({ email: z.string(), password: z.string(), api_key: z.string(), host_api_key: z.string().optional() });
export type LocalAccount = z.infer<typeof LocalAccount>;

/** The account that `up` made here, for the person who called it, and the others of this machine. Mode 0600. */
export const Credentials = z.object({
  url: z.url(),
  email: z.string(),
  password: z.string().optional(),
  api_key: z.string(),
  others: z.array(LocalAccount).optional(),
});
export type Credentials = z.infer<typeof Credentials>;

export const credentialsPath = (home: string): string => join(home, 'credentials.json');

/** Null when there are none here or they belong to somebody else. Throws when the file is damaged. */
export async function readCredentials(home: string): Promise<Credentials | null> {
  try {
    return Credentials.parse(JSON.parse(await readFile(credentialsPath(home), 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EACCES')) return null;
    throw error;
  }
}
