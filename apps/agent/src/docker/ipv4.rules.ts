/** IPv4 arithmetic on unsigned 32-bit numbers. */
export interface Cidr {
  base: number;
  prefix: number;
}

export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  const parts = match.slice(1).map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** Network address and prefix of `a.b.c.d/n`; host bits are cleared. Undefined when it is not one. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', bits = '32', ...rest] = text.split('/');
  const value = parseIpv4(address);
  const prefix = Number(bits);
  if (value === undefined || rest.length > 0 || !/^\d{1,2}$/.test(bits) || prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  return { base: Math.floor(value / size) * size, prefix };
}

export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  const size = 2 ** (32 - Math.min(a.prefix, b.prefix));
  return Math.floor(a.base / size) === Math.floor(b.base / size);
}

export function cidrHolds(cidr: Cidr, address: number): boolean {
  return cidrsOverlap(cidr, { base: address, prefix: 32 });
}

/** First address of a subnet: the bridge's own. Throws a RangeError when it is not an IPv4 subnet of /16 to /24. */
export function gatewayOf(subnet: string): { address: string; prefix: number } {
  const cidr = parseCidr(subnet);
  if (!cidr || cidr.prefix < 16 || cidr.prefix > 24) throw new RangeError(`not an IPv4 subnet of /16 to /24: ${subnet}`);
  return { address: formatIpv4(cidr.base + 1), prefix: cidr.prefix };
}
