import { fieldErrors, makeProblem, operations } from '@muster/shared-types';
import { marketClient } from '@/server/market-client';
import { openSession, problemResponse } from '@/server/open-session';

export async function POST(request: Request): Promise<Response> {
  const body = operations.signUp.body.safeParse(await request.json().catch(() => undefined));
  if (!body.success) return problemResponse(makeProblem('invalid_request', { errors: fieldErrors(body.error, 'body') }));
  return openSession(() => marketClient().call('signUp', { body: body.data }));
}
