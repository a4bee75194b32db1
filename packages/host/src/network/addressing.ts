import { HearthError, type Config } from '@hearth/contract';
import ipaddr from 'ipaddr.js';

/** An IPv4 range, both ends included, as unsigned 32-bit numbers. */
interface Range {
  first: number;
  last: number;
}

export function ipToNumber(ip: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = ipaddr.IPv4.parse(ip).octets;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

export function numberToIp(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

/** The range of `192.168.100.0/24`; an address without a length is a range of one. */
export function rangeOf(cidr: string): Range {
  const [ip = '', bitsText = '32'] = cidr.split('/');
  const bits = Number(bitsText);
  const size = 2 ** (32 - bits);
  const address = ipToNumber(ip);
  const first = address - (address % size);
  return { first, last: first + size - 1 };
}

export const contains = (range: Range, ip: number): boolean => ip >= range.first && ip <= range.last;

export const overlaps = (a: Range, b: Range): boolean => a.first <= b.last && b.first <= a.last;

/** What the configured network comes to in addresses and names. */
export interface NetworkPlan {
  /** `192.168.100.0/24` */
  subnet: string;
  prefixLength: number;
  netmask: string;
  /** The bridge's address: DHCP server, DNS server and router of the VMs. */
  gateway: string;
  broadcast: string;
  /** First and last address that a VM may have. */
  firstVm: number;
  lastVm: number;
  bridge: string;
  transitSubnet: string;
  transitPrefixLength: number;
  /** The host's end of the uplink: the only address from outside that may dial VMs. */
  transitHost: string;
  transitNamespace: string;
  /** Name of the uplink's end in the host's namespace; 14 characters at most, as `name` has 11. */
  uplinkHost: string;
  /** Name of its end in Hearth's namespace. */
  uplinkNamespace: string;
  namespace: string;
  namespacePath: string;
  /** nftables table in the host's namespace. */
  hostTable: string;
}

/** Every Hearth has a namespace of its own, so that names inside need not differ. */
const BRIDGE = 'hearth0';
const UPLINK = 'uplink';

export function planNetwork(config: Pick<Config, 'name' | 'network'>): NetworkPlan {
  const { subnet, transitSubnet } = config.network;
  const range = rangeOf(subnet);
  const transit = rangeOf(transitSubnet);
  const prefixLength = Number(subnet.split('/')[1]);
  return {
    subnet,
    prefixLength,
    netmask: numberToIp((0xffffffff << (32 - prefixLength)) >>> 0),
    gateway: numberToIp(range.first + 1),
    broadcast: numberToIp(range.last),
    firstVm: range.first + 2,
    lastVm: range.last - 1,
    bridge: BRIDGE,
    transitSubnet,
    transitPrefixLength: Number(transitSubnet.split('/')[1]),
    transitHost: numberToIp(transit.first + 1),
    transitNamespace: numberToIp(transit.first + 2),
    uplinkHost: `${config.name}-up`,
    uplinkNamespace: UPLINK,
    namespace: config.name,
    namespacePath: `/run/netns/${config.name}`,
    hostTable: `hearth_${config.name.replaceAll('-', '_')}`,
  };
}

const hexOf = (ip: string): string => ipToNumber(ip).toString(16).padStart(8, '0');

/** Locally administered, one for each address: two bytes that are ours, four of the address. */
export function macOf(ip: string): string {
  const hex = hexOf(ip);
  return `02:48:${[0, 2, 4, 6].map((at) => hex.slice(at, at + 2)).join(':')}`;
}

/** Interfaces in the namespace that start so are ours to sweep. */
export const TAP_PREFIX = 'tap';

/** F18: the whole address is in the name, so that two can't collide; 11 of 15 characters. */
export const tapOf = (ip: string): string => `${TAP_PREFIX}${hexOf(ip)}`;

/** `10.0.0.5:8080` of `network.allow`. */
export interface AllowedTarget {
  ip: string;
  port: number;
}

export function parseAllowed(allow: readonly string[]): AllowedTarget[] {
  return allow.map((text, index) => {
    const [ip = '', portText = ''] = text.split(':');
    const port = Number(portText);
    if (!ipaddr.IPv4.isValidFourPartDecimal(ip) || port < 1 || port > 65_535) {
      const path = `network.allow.${index}`;
      const message = `${text} is no address and port`;
      throw new HearthError('config_invalid', `${path}: ${message}`, { issues: [{ path, message }] });
    }
    return { ip, port };
  });
}

/** Networks less those that lie within another: an interval set takes no overlaps. */
export function withoutNested(cidrs: readonly string[]): string[] {
  const unique = [...new Set(cidrs)];
  return unique.filter((cidr) => {
    const inner = rangeOf(cidr);
    return !unique.some((other) => {
      const outer = rangeOf(other);
      return other !== cidr && outer.first <= inner.first && inner.last <= outer.last;
    });
  });
}
