/** What of a request decides whether it may do something, read from its headers. */
export interface RequestHead {
  method: string;
  host: string | null;
  origin: string | null;
  /** `Sec-Fetch-Site`. */
  fetchSite: string | null;
}

const READS = ['GET', 'HEAD', 'OPTIONS'];
export const isRead = (method: string): boolean => READS.includes(method);

/**
 * A browser says where a request comes from, and no page can make it lie. What changes something must come from this very
 * site; a client that says nothing is none of ours, because programs talk to the API itself.
 */
export function comesFromHere({ method, origin, fetchSite }: RequestHead, webUrl: string): boolean {
  if (isRead(method)) return true;
  if (fetchSite !== null && fetchSite !== 'same-origin') return false;
  if (origin !== null) return origin === webUrl;
  return fetchSite === 'same-origin';
}

/** Any other name for this server is answered with its own: names that point here (rebinding) get nothing. */
export const isOwnName = (host: string | null, webUrl: string): boolean => host === new URL(webUrl).host;

export const PUBLIC_PAGES: readonly RegExp[] = [/^\/$/, /^\/market$/, /^\/stats$/, /^\/wall$/, /^\/sign-in$/, /^\/sign-up$/];
export const isPublicPage = (pathname: string): boolean => PUBLIC_PAGES.some((page) => page.test(pathname));

/** Where to go after signing in: a path of this site, nothing else. */
export function safeNext(next: string | null | undefined): string {
  return next && /^\/(?![/\\])[\w\-./?=&%,:+~[\]<>]*$/.test(next) && !next.startsWith('/sign-') ? next : '/market';
}

/** `nonce` is new for every page. `apiUrl` is where the live socket goes. */
export function contentSecurityPolicy(nonce: string, apiUrl: string, isDevelopment: boolean): string {
  const socket = apiUrl.replace(/^http/, 'ws');
  const parts = {
    'default-src': ["'none'"],
    'script-src': ["'self'", `'nonce-${nonce}'`, "'strict-dynamic'", ...(isDevelopment ? ["'unsafe-eval'"] : [])],
    // Charts and floating panels set their size in style attributes.
    'style-src': ["'self'", "'unsafe-inline'"],
    'img-src': ["'self'", 'data:'],
    'font-src': ["'self'"],
    'connect-src': ["'self'", socket, ...(isDevelopment ? ['ws:'] : [])],
    'manifest-src': ["'self'"],
    'form-action': ["'self'"],
    'frame-ancestors': ["'none'"],
    'base-uri': ["'none'"],
  };
  return Object.entries(parts).map(([name, values]) => `${name} ${values.join(' ')}`).join('; ');
}

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};
