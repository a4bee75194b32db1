import type { GuestAddress } from '@hearth/contract';
import { readdir, readFile } from 'node:fs/promises';
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { parseRoutes } from './routes.ts';

/** Where the kernel's view is read from; an argument for tests. */
export interface AddressSources {
  interfaces(): NodeJS.Dict<NetworkInterfaceInfo[]>;
  /** Text of /proc/net/route. */
  routes(): Promise<string>;
  /** Name and MAC of each interface, those without an address included; loopback left out. */
  links(): Promise<{ name: string; mac: string }[]>;
}

export const kernelSources: AddressSources = {
  interfaces: networkInterfaces,
  routes: () => readFile('/proc/net/route', 'utf8'),
  links: async () => {
    const names = (await readdir('/sys/class/net')).filter((name) => name !== 'lo').toSorted();
    return Promise.all(
      names.map(async (name) => ({
        name,
        mac: (await readFile(`/sys/class/net/${name}/address`, 'utf8')).trim(),
      })),
    );
  },
};

/** What every interface but loopback has. */
export async function readAddresses(sources: AddressSources = kernelSources): Promise<GuestAddress[]> {
  const [links, routes] = await Promise.all([sources.links(), sources.routes()]);
  const interfaces = sources.interfaces();
  const gateways = parseGateways(routes);
  return links.map(({ name, mac }) => {
    const ipv4 = interfaces[name]?.find(({ family }) => family === 'IPv4');
    return {
      interface: name,
      mac,
      ip: ipv4?.address ?? null,
      prefixLength: ipv4?.cidr == null ? null : Number(ipv4.cidr.split('/')[1]),
      gateway: gateways.get(name) ?? null,
    };
  });
}

/** Gateways of the default routes by interface, from /proc/net/route. */
export function parseGateways(routes: string): Map<string, string> {
  const gateways = new Map<string, string>();
  for (const { interface: name, destination, prefixLength, gateway } of parseRoutes(routes)) {
    if (destination !== '0.0.0.0' || prefixLength !== 0 || gateway === null) continue;
    if (!gateways.has(name)) gateways.set(name, gateway);
  }
  return gateways;
}
