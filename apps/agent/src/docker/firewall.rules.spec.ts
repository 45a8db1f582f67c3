import { describe, expect, it } from 'vitest';
import { firewallText, usableNameservers, type FirewallPlan } from './firewall.rules.js';

const plan: FirewallPlan = {
  table: 'muster',
  bridge: 'mst0',
  subnet: '10.213.0.0/16',
  nameservers: ['192.168.1.1'],
  localNetworks: ['192.0.2.0/24', '192.168.1.0/24', '5.0.0.0/6'],
  cut: ['10.213.0.9'],
};
const linesOf = (chain: string, text = firewallText(plan)): string[] => {
  const body = text.split(`chain ${chain} {`)[1]?.split('}\n')[0] ?? '';
  return body.split('\n').map((line) => line.trim()).filter((line) => line !== '');
};

describe('firewallText', () => {
  it('replaces the whole table at once', () => {
    expect(firewallText(plan).startsWith('table inet muster\ndelete table inet muster\ntable inet muster {')).toBe(true);
  });

  it('puts what is cut before what is established', () => {
    for (const chain of ['input', 'forward']) {
      const lines = linesOf(chain);
      expect(lines.findIndex((line) => line.includes('@cut'))).toBeLessThan(lines.findIndex((line) => line.includes('established')));
    }
  });

  it('closes the host to instances except for its resolvers', () => {
    expect(linesOf('input').at(-1)).toBe('iifname "mst0" reject with icmpx type admin-prohibited');
    expect(linesOf('input')).toContain('iifname "mst0" ip daddr { 192.168.1.1 } udp dport 53 accept');
  });

  it('asks the resolvers before it closes private networks', () => {
    const lines = linesOf('forward');
    expect(lines.findIndex((line) => line.includes('dport 53'))).toBeLessThan(lines.findIndex((line) => line.includes('169.254.0.0/16')));
  });

  it('closes the LAN also where its addresses are public, without overlaps, and not half the internet', () => {
    const closed = linesOf('forward').find((line) => line.includes('169.254.0.0/16')) ?? '';
    expect(closed).toContain('192.0.2.0/24');
    expect(closed).not.toContain('192.168.1.0/24');
    expect(closed).not.toContain('5.0.0.0/6');
  });

  it('has no empty sets without resolvers or cuts', () => {
    const text = firewallText({ ...plan, nameservers: [], cut: [] });
    expect(text).not.toContain('{  }');
    expect(text).not.toContain('dport 53');
    expect(text).toContain('set cut { type ipv4_addr; }');
  });

  it('takes no resolver that is not an address', () => {
    expect(firewallText({ ...plan, nameservers: ['fd00::1', '} accept'] })).not.toContain('dport 53');
  });
});

describe('usableNameservers', () => {
  const stub = 'nameserver 127.0.0.53\noptions edns0\n';
  it('takes the host\'s own, at most three, each once', () => {
    expect(usableNameservers(['nameserver 10.0.0.2\nnameserver 10.0.0.2\nnameserver 8.8.8.8\nnameserver 1.1.1.1\nnameserver 9.9.9.9'], [])).toEqual(['10.0.0.2', '8.8.8.8', '1.1.1.1']);
  });
  it('asks what a local stub asks', () => expect(usableNameservers([stub, 'nameserver 192.168.1.1\n'], ['9.9.9.9'])).toEqual(['192.168.1.1']));
  it('falls back when every resolver is out of reach', () => expect(usableNameservers([stub, 'nameserver ::1\n# nameserver 8.8.8.8'], ['9.9.9.9'])).toEqual(['9.9.9.9']));
});
