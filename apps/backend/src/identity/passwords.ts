import { randomBytes } from 'node:crypto';
import { hash, verify, type Options } from '@node-rs/argon2';

/** argon2id (the library's default algorithm), 19 MiB, 2 passes, 1 lane: the first of OWASP's equal choices. */
const OPTIONS: Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

export const hashPassword = (password: string): Promise<string> => hash(password, OPTIONS);

let standIn: Promise<string> | undefined;

/** False also for an account that has no password; it takes as long as for one that has. */
export async function passwordMatches(stored: string | null | undefined, password: string): Promise<boolean> {
  standIn ??= hashPassword(randomBytes(16).toString('hex'));
  const matches = await verify(stored ?? (await standIn), password);
  return matches && stored != null;
}

/** 120 random bits in groups that can be read aloud: `k7wq2-…`. */
export function randomPassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz234567890';
  const text = [...randomBytes(24)].map((byte) => letters[byte % 32]).join('');
  return text.replaceAll(/(.{6})(?!$)/g, '$1-');
}
