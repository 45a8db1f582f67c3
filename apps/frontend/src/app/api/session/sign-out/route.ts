import { cookies } from 'next/headers';
import { ProblemError } from '@muster/shared-types';
import { marketClient } from '@/server/market-client';
import { ACCESS_COOKIE, noSession } from '@/server/session-cookies';

/** The cookies go in any case; a session that has ended already is what was wanted. */
export async function POST(): Promise<Response> {
  const jar = await cookies();
  const token = jar.get(ACCESS_COOKIE)?.value;
  for (const one of noSession()) jar.set(one);
  if (!token) return Response.json({});
  const ended = await marketClient(token).call('signOut', {}).then(() => true, (error: unknown) => error);
  return ended === true || ended instanceof ProblemError ? Response.json({}) : Response.json({ unreachable: true });
}
