import { cidrHolds, parseCidr, parseIpv4 } from './ipv4.rules.js';

/**
 * Addresses that are never the internet: this-network, private, carrier NAT, loopback, link-local (cloud metadata),
 * benchmarking, multicast and reserved.
 */
export const CLOSED_NETWORKS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
] as const;

export interface FirewallPlan {
  table: string;
  bridge: string;
  subnet: string;
  /** Resolvers instances may ask, IPv4. */
  nameservers: readonly string[];
  /** Networks this host sits in directly: its LAN is closed even where it has public addresses. */
  localNetworks: readonly string[];
  /** Instances whose access has been cut. */
  cut: readonly string[];
}

const set = (elements: readonly string[]): string => `{ ${elements.join(', ')} }`;

/** The LAN beside the private ranges; what a private range holds already is left out, as nft refuses overlaps. */
function closedNetworks(localNetworks: readonly string[]): string[] {
  const closed: string[] = [...CLOSED_NETWORKS];
  for (const network of localNetworks) {
    const cidr = parseCidr(network);
    const held = cidr && closed.some((other) => cidrHolds(parseCidr(other) ?? { base: 0, prefix: 0 }, cidr.base));
    if (cidr && cidr.prefix >= 8 && !held) closed.push(network);
  }
  return closed;
}

/**
 * The whole table as one atomic replacement. `add` before `delete` makes it work whether or not the table exists.
 * IPv6 is off inside, and closed here all the same. Host → instance stays open: that is the tunnel.
 * `cut` stands before `established`, so that a live session ends too.
 */
export function firewallText(plan: FirewallPlan): string {
  const { table, bridge } = plan;
  const from = `iifname "${bridge}"`;
  const to = `oifname "${bridge}"`;
  const nameservers = plan.nameservers.filter((server) => parseIpv4(server) !== undefined);
  const dns = nameservers.length === 0 ? [] : ['udp', 'tcp'].map((l4) => `${from} ip daddr ${set(nameservers)} ${l4} dport 53 accept`);
  const refuse = 'reject with icmpx type admin-prohibited';
  const chains: [name: string, hook: string, rules: string[]][] = [
    ['input', 'type filter hook input priority -10; policy accept;', [
      `${from} ip saddr @cut drop`,
      `${from} ct state established,related accept`,
      `${from} ip saddr != ${plan.subnet} drop`,
      ...dns,
      `${from} ${refuse}`,
    ]],
    ['output', 'type filter hook output priority -10; policy accept;', [
      `${to} meta l4proto tcp ip daddr @cut reject with tcp reset`,
      `${to} ip daddr @cut drop`,
    ]],
    ['forward', 'type filter hook forward priority -10; policy accept;', [
      `${from} ip saddr @cut drop`,
      `${to} ip daddr @cut drop`,
      `${from} meta nfproto ipv6 drop`,
      `${from} ip saddr != ${plan.subnet} drop`,
      `${to} ct state established,related accept`,
      `${to} drop`,
      `${from} ct state established,related accept`,
      ...dns,
      `${from} ip daddr ${set(closedNetworks(plan.localNetworks))} ${refuse}`,
      `${from} tcp dport 25 ${refuse}`,
    ]],
    ['postrouting', 'type nat hook postrouting priority srcnat; policy accept;', [
      `ip saddr ${plan.subnet} oifname != "${bridge}" masquerade`,
    ]],
  ];
  const cut = plan.cut.length === 0 ? '' : ` elements = ${set(plan.cut)};`;
  const body = chains.map(([name, hook, rules]) => `  chain ${name} {\n    ${[hook, ...rules].join('\n    ')}\n  }`);
  return [
    `table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    `  set cut { type ipv4_addr;${cut} }`,
    ...body,
    '}',
    '',
  ].join('\n');
}

/**
 * Resolvers that an instance can use: the first source that names any outside loopback. A resolver on 127.x answers
 * only the host itself, so what it asks upstream (given by the later sources) takes its place.
 */
export function usableNameservers(sources: readonly string[], fallback: readonly string[]): string[] {
  for (const text of sources) {
    const found = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1] ?? '').filter(isReachable);
    if (found.length > 0) return [...new Set(found)].slice(0, 3);
  }
  return [...fallback];
}

function isReachable(server: string): boolean {
  const address = parseIpv4(server);
  const loopback = parseCidr('127.0.0.0/8');
  return address !== undefined && address !== 0 && loopback !== undefined && !cidrHolds(loopback, address);
}
