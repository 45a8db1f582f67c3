import { cookies } from 'next/headers';
import { UnreachableError } from '@muster/client';
import { makeProblem, type Problem, ProblemError, type SessionTokens } from '@muster/shared-types';
import { sessionCookies } from './session-cookies';

/** Runs a call that opens a session, keeps its tokens in cookies, and answers with the account alone. */
export async function openSession(open: () => Promise<SessionTokens>): Promise<Response> {
  try {
    const tokens = await open();
    const jar = await cookies();
    for (const one of sessionCookies(tokens, Date.now())) jar.set(one);
    return Response.json(tokens.account);
  } catch (error) {
    return problemResponse(problemOf(error));
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof UnreachableError) return makeProblem('unavailable', { detail: error.message, hint: 'Try again in some seconds' });
  throw error;
}

export const problemResponse = (problem: Problem): Response => Response.json(problem, { status: problem.status, headers: { 'content-type': 'application/problem+json' } });
