import { CLOSED_NETWORKS } from '../docker/firewall.rules.js';
import { cidrHolds, parseCidr, parseIpv4 } from '../docker/ipv4.rules.js';

const CLOSED = CLOSED_NETWORKS.map((network) => parseCidr(network));

/**
 * Whether an address is somewhere on the internet: not this host, its LAN, a cloud's metadata service, carrier NAT or
 * multicast. Of IPv6 only global unicast (2000::/3), less what stands for an IPv4 address (6to4, Teredo) or for nobody.
 */
export function isPublicAddress(address: string): boolean {
  const four = parseIpv4(address);
  return four === undefined ? isPublicIpv6(address) : CLOSED.every((network) => network !== undefined && !cidrHolds(network, four));
}

function isPublicIpv6(address: string): boolean {
  const [first = '', second = ''] = address.toLowerCase().split(':');
  if (!/^[23][0-9a-f]{3}$/.test(first) || !/^[0-9a-f]{0,4}$/.test(second)) return false;
  const [high, low] = [Number.parseInt(first, 16), Number.parseInt(second || '0', 16)];
  const isSpecial = high === 0x2001 && (low < 0x200 || low === 0xdb8);
  return !isSpecial && high !== 0x2002 && high !== 0x3fff;
}
