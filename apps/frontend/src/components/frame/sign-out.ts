'use client';

/** Ends this session everywhere in the browser, other tabs included: their next call is refused. */
export async function signOut(): Promise<void> {
  await fetch('/api/session/sign-out', { method: 'POST' }).catch(() => undefined); // offline: the cookie stays, and so does the session
  window.location.assign('/sign-in');
}
