import { describe, expect, it } from 'vitest';
import { admitLogin, admitNewProxy, refusalText, type TokenFinding } from './admission.rules.js';
import type { LoginContent, NewProxyContent } from './frp-request.js';

const NODE = '0199a1b2-0000-7000-8000-000000000001';
const OTHER = '0199a1b2-0000-7000-8000-000000000002';
const table = {
  version: 3,
  proxiesOf: (id: string) => (id === NODE ? new Map([['p20001', 20_001]]) : id === OTHER ? new Map([['p20002', 20_002]]) : undefined),
};
const empty = { version: -1, proxiesOf: () => undefined };
const login = (over: Partial<LoginContent> = {}): LoginContent => ({ user: NODE, client_id: NODE, privilege_key: 'x', ...over });
const proxy = (over: Partial<NewProxyContent> = {}): NewProxyContent => ({
  user: { user: NODE }, proxy_name: `${NODE}.p20001`, proxy_type: 'tcp', remote_port: 20_001, group: '', ...over,
});

describe('admitLogin', () => {
  const mine: TokenFinding = { subject: NODE };
  it.each([
    ['its own token', table, login(), mine, 'allow'],
    ['no table yet', empty, login(), mine, 'no_table'],
    ['another node’s token', table, login(), { subject: OTHER } as const, 'token_of_another_node'],
    ['an empty subject for an empty user', table, login({ user: '', client_id: '' }), { subject: '' } as const, 'unknown_node'],
    ['an expired token', table, login(), { refusal: 'token_expired' } as const, 'token_expired'],
    ['a second identity of one node', table, login({ client_id: 'b' }), mine, 'client_id_differs'],
    ['no client id: frps would then allow several sessions', table, login({ client_id: '' }), mine, 'client_id_differs'],
    ['a node that is not listed', table, login({ user: 'n', client_id: 'n' }), { subject: 'n' } as const, 'unknown_node'],
  ])('%s', (_, admitted, content, token, expected) => {
    const verdict = admitLogin(admitted, content, token);
    expect(verdict.allow ? 'allow' : verdict.reason).toBe(expected);
  });
});

describe('admitNewProxy', () => {
  it.each([
    ['its own name and port', proxy(), 'allow'],
    ['a node that is not listed', proxy({ user: { user: 'n' }, proxy_name: 'n.p20001' }), 'unknown_node'],
    ['another port', proxy({ remote_port: 20_002 }), 'port_not_listed'],
    ['port 0: frps would choose one', proxy({ remote_port: 0 }), 'port_not_listed'],
    ['another node’s name', proxy({ proxy_name: `${OTHER}.p20002`, remote_port: 20_002 }), 'name_of_another_node'],
    ['another node’s port under its own prefix', proxy({ proxy_name: `${NODE}.p20002`, remote_port: 20_002 }), 'name_not_listed'],
    ['no prefix', proxy({ proxy_name: 'p20001' }), 'name_of_another_node'],
    ['udp', proxy({ proxy_type: 'udp' }), 'type_not_tcp'],
    ['no type', proxy({ proxy_type: '' }), 'type_not_tcp'],
    ['a group', proxy({ group: 'g' }), 'group_not_allowed'],
  ])('%s', (_, content, expected) => {
    const verdict = admitNewProxy(table, content);
    expect(verdict.allow ? 'allow' : verdict.reason).toBe(expected);
  });

  it('refuses everything without a table', () => {
    expect(admitNewProxy(empty, proxy())).toEqual({ allow: false, reason: 'no_table' });
  });
});

it('tells a host about no node but itself', () => {
  for (const text of Object.values(refusalText)) expect(text).not.toMatch(/[0-9]/);
});
