import type { Address } from '@hearth/contract';
import type { NetworkPlan } from './addressing.ts';
import type { DnsmasqPaths } from './dnsmasq-record.ts';
import type { Upstream } from './resolvers.ts';

/** A name that only our dnsmasq knows: that it answers shows that it serves. */
export const PROBE_NAME = 'gateway.hearth.internal';

/** What dnsmasq must know of a VM. */
export type Reservation = Pick<Address, 'mac' | 'ip' | 'hostname'>;

/** Content of the file of reservations; `id:*` binds them to the MAC whatever client id the guest sends (F46). */
export function hostsFile(reservations: Iterable<Reservation>): string {
  return [...reservations]
    .map(({ mac, ip, hostname }) => `${mac},id:*,${ip},${hostname},infinite\n`)
    .sort()
    .join('');
}

/** What such a file reserves; other lines are left out. */
export function parseHostsFile(text: string): { mac: string; ip: string }[] {
  return text.split('\n').flatMap((line) => {
    const [mac = '', , ip = ''] = line.split(',');
    return /^[0-9a-f:]{17}$/i.test(mac) && /^\d+(\.\d+){3}$/.test(ip) ? [{ mac: mac.toLowerCase(), ip }] : [];
  });
}

/** The command line of dnsmasq; no configuration of the system is read. */
export function dnsmasqArguments(
  plan: NetworkPlan,
  paths: DnsmasqPaths,
  upstream: Upstream,
  names: Readonly<Record<string, string>>,
  user: string,
): string[] {
  return [
    '--conf-file=/dev/null',
    '--keep-in-foreground',
    '--log-facility=-',
    `--user=${user}`,
    `--pid-file=${paths.pid}`,
    `--interface=${plan.bridge}`,
    '--except-interface=lo',
    '--bind-interfaces',
    // Booked addresses only: `static` gives nothing to a MAC that isn't in the file.
    `--dhcp-range=${plan.subnet.split('/')[0]},static,${plan.netmask},infinite`,
    `--dhcp-hostsfile=${paths.hosts}`,
    `--dhcp-leasefile=${paths.leases}`,
    `--dhcp-lease-max=${plan.lastVm - plan.firstVm + 1}`,
    '--dhcp-ignore-clid',
    '--dhcp-authoritative',
    // The book says that an address is free; asking the network for it costs seconds.
    '--no-ping',
    `--dhcp-option=option:router,${plan.gateway}`,
    `--dhcp-option=option:dns-server,${plan.gateway}`,
    '--no-hosts',
    '--domain-needed',
    // F39: VMs have IPv4 only, so an IPv6 address is a connection that fails slowly.
    '--filter-AAAA',
    '--cache-size=2000',
    `--host-record=${PROBE_NAME},${plan.gateway}`,
    ...Object.entries(names).map(([name, ip]) => `--host-record=${name},${ip}`),
    ...upstreamArguments(upstream),
  ];
}

function upstreamArguments(upstream: Upstream): string[] {
  switch (upstream.type) {
    // Unknown names are REFUSED at once, as nobody is there to ask.
    case 'none':
      return ['--no-resolv'];
    case 'servers':
      return ['--no-resolv', ...upstream.servers.map((server) => `--server=${server}`)];
    case 'file':
      return [`--resolv-file=${upstream.path}`];
  }
}
