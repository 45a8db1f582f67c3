import { type NextRequest, NextResponse } from 'next/server';
import { makeProblem, type ProblemCode } from '@muster/shared-types';
import { config as readConfig } from '@/config';
import { marketClient } from '@/server/market-client';
import { comesFromHere, contentSecurityPolicy, isOwnName, isPublicPage, isRead, SECURITY_HEADERS } from '@/server/request.rules';
import { Rotation } from '@/server/rotation';
import { ACCESS_COOKIE, type CookieToSet, noSession, REFRESH_COOKIE, sessionCookies } from '@/server/session-cookies';

export const config = { matcher: ['/((?!_next/|fonts/|icon|healthz).*)'] };

let rotation: Rotation | undefined;

/** In front of every page and every call: the right name, the right origin, a session that is fresh, a policy for scripts. */
export async function proxy(request: NextRequest): Promise<NextResponse> {
  const { webUrl } = readConfig();
  const { method, headers, nextUrl } = request;
  const isApi = nextUrl.pathname.startsWith('/api/');
  if (!isOwnName(headers.get('host'), webUrl)) {
    return isRead(method) && !isApi ? NextResponse.redirect(new URL(nextUrl.pathname + nextUrl.search, webUrl), 307) : refuse('forbidden', 'This site is reached under another name', `Use ${webUrl}`);
  }
  const head = { method, host: headers.get('host'), origin: headers.get('origin'), fetchSite: headers.get('sec-fetch-site') };
  if (!comesFromHere(head, webUrl)) return refuse('forbidden', 'The request came from another site');
  const session = await freshSession(request);
  if (!isApi && !session.isSignedIn && !isPublicPage(nextUrl.pathname)) return signIn(request, session.toSet);
  return isApi ? goOn(request, session.toSet) : page(request, session.toSet);
}

interface FreshSession {
  isSignedIn: boolean;
  toSet: CookieToSet[];
}

/** Changes the cookies of the request itself too, so that what comes after sees the new token. */
async function freshSession({ cookies }: NextRequest): Promise<FreshSession> {
  const refresh = cookies.get(REFRESH_COOKIE)?.value;
  if (cookies.has(ACCESS_COOKIE)) return { isSignedIn: true, toSet: [] };
  if (!refresh) return { isSignedIn: false, toSet: [] };
  rotation ??= new Rotation(marketClient());
  const rotated = await rotation.rotate(refresh);
  if (rotated.kind === 'unknown') return { isSignedIn: true, toSet: [] };
  const toSet = rotated.kind === 'fresh' ? sessionCookies(rotated.tokens, Date.now()) : noSession();
  for (const { name, value } of toSet) if (value === '') cookies.delete(name); else cookies.set(name, value);
  return { isSignedIn: rotated.kind === 'fresh', toSet };
}

function goOn(request: NextRequest, toSet: CookieToSet[], more: Record<string, string> = {}): NextResponse {
  const headers = new Headers(request.headers);
  headers.set('cookie', request.cookies.toString());
  for (const [name, value] of Object.entries(more)) headers.set(name, value);
  return withCookies(NextResponse.next({ request: { headers } }), toSet);
}

function page(request: NextRequest, toSet: CookieToSet[]): NextResponse {
  const nonce = crypto.randomUUID().replaceAll('-', '');
  const policy = contentSecurityPolicy(nonce, readConfig().publicApiUrl, readConfig().isDevelopment);
  const response = goOn(request, toSet, { 'x-nonce': nonce, 'content-security-policy': policy });
  response.headers.set('content-security-policy', policy);
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.headers.set(name, value);
  return response;
}

function signIn({ nextUrl }: NextRequest, toSet: CookieToSet[]): NextResponse {
  const target = new URL('/sign-in', readConfig().webUrl);
  target.searchParams.set('next', nextUrl.pathname + nextUrl.search);
  return withCookies(NextResponse.redirect(target, 307), toSet);
}

function withCookies(response: NextResponse, toSet: CookieToSet[]): NextResponse {
  for (const one of toSet) response.cookies.set(one);
  return response;
}

function refuse(code: ProblemCode, detail: string, hint?: string): NextResponse {
  const problem = makeProblem(code, { detail, ...(hint && { hint }) });
  return NextResponse.json(problem, { status: problem.status, headers: { ...SECURITY_HEADERS, 'content-type': 'application/problem+json' } });
}
