import { describe, expect, it } from 'vitest';
import { comesFromHere, contentSecurityPolicy, isOwnName, isPublicPage, safeNext } from './request.rules';

const WEB = 'http://localhost:3000';
const head = { method: 'POST', host: 'localhost:3000', origin: WEB, fetchSite: 'same-origin' };

describe('who may change something', () => {
  it('a page of this site', () => expect(comesFromHere(head, WEB)).toBe(true));
  it.each([
    ['another origin', { ...head, origin: 'https://evil.example' }],
    ['a tunnel on this host', { ...head, origin: 'http://127.0.0.1:20022', fetchSite: 'cross-site' }],
    ['the same host on another port', { ...head, origin: 'http://localhost:20022', fetchSite: 'same-site' }],
    ['a sandboxed frame', { ...head, origin: 'null' }],
    ['a link typed into the address line', { ...head, origin: null, fetchSite: 'none' }],
    ['a client that says nothing', { ...head, origin: null, fetchSite: null }],
  ])('never %s', (_, request) => expect(comesFromHere(request, WEB)).toBe(false));
  it('reading is free of it', () => expect(comesFromHere({ ...head, method: 'GET', origin: null, fetchSite: 'cross-site' }, WEB)).toBe(true));
  it('an old browser that only names its origin', () => expect(comesFromHere({ ...head, fetchSite: null }, WEB)).toBe(true));
});

describe('names and ways', () => {
  it('one name', () => expect(['localhost:3000', '127.0.0.1:3000', 'evil.example', null].map((host) => isOwnName(host, WEB))).toEqual([true, false, false, false]));
  it.each(['//evil.example', 'https://evil.example', '/\\evil.example', '/sign-in?next=/x', 'javascript:alert(1)', '', undefined, '/a\nb'])('after signing in never to %j', (next) => expect(safeNext(next)).toBe('/market'));
  it('but to a page', () => expect(safeNext('/rentals/019aa000?tab=logs')).toBe('/rentals/019aa000?tab=logs'));
  it('public pages', () => expect(['/', '/market', '/wall', '/rentals', '/market/x'].map(isPublicPage)).toEqual([true, true, true, false, false]));
  it('no eval in what browsers get', () => {
    const policy = contentSecurityPolicy('n0', 'http://127.0.0.1:8080', false);
    expect(policy).not.toContain('unsafe-eval');
    expect(policy).toContain("script-src 'self' 'nonce-n0' 'strict-dynamic'");
    expect(policy).toContain('ws://127.0.0.1:8080');
  });
});
