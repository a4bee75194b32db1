import { HearthError, type Config } from '@hearth/contract';
import { z } from 'zod';
import { overlaps, rangeOf, type NetworkPlan } from './addressing.ts';

/** The part of `ip -4 -j route show table all` that is read. */
export const routesSchema = z.array(
  z.object({
    dst: z.string(),
    type: z.string().optional(),
    gateway: z.string().optional(),
    dev: z.string().optional(),
    table: z.union([z.string(), z.number()]).optional(),
    nexthops: z.array(z.object({ dev: z.string().optional() })).optional(),
  }),
);
export type Route = z.infer<typeof routesSchema>[number];

/** The part of `ip -4 -j addr` that is read. */
export const addressesSchema = z.array(
  z.object({
    ifname: z.string().optional(),
    addr_info: z
      .array(
        z.object({
          family: z.string().optional(),
          local: z.string().optional(),
          prefixlen: z.number().optional(),
        }),
      )
      .optional(),
  }),
);
export type InterfaceAddresses = z.infer<typeof addressesSchema>[number];

/** Routes to nowhere: a more specific one of ours takes nothing from anybody. */
const noTarget = new Set(['blackhole', 'unreachable', 'prohibit', 'throw']);

/** Halves of everything, as VPNs set them, are default routes. */
const isDefault = (dst: string): boolean => dst === 'default' || dst.endsWith('/0') || dst.endsWith('/1');

/** F5: throws network_conflict naming the key and the route or address of the host that it collides with. */
export function checkConflicts(
  network: Config['network'],
  plan: Pick<NetworkPlan, 'uplinkHost'>,
  routes: readonly Route[],
  interfaces: readonly InterfaceAddresses[],
): void {
  for (const key of ['subnet', 'transitSubnet'] as const) {
    const range = rangeOf(network[key]);
    const fail = (what: string): never => {
      throw new HearthError(
        'network_conflict',
        `network.${key}: ${network[key]} overlaps ${what} of this machine`,
        {
          hint: `Set \`network.${key}\` in the configuration to a network that \`ip route show table all\` does not list.`,
          issues: [{ path: `network.${key}`, message: `overlaps ${what}` }],
        },
      );
    };
    for (const { ifname, addr_info: found = [] } of interfaces) {
      if (ifname === plan.uplinkHost) continue;
      for (const { local, prefixlen } of found) {
        if (local === undefined || local.includes(':')) continue;
        const cidr = `${local}/${prefixlen ?? 32}`;
        if (overlaps(range, rangeOf(cidr))) fail(`the address ${cidr} on ${ifname ?? 'an interface'}`);
      }
    }
    for (const route of routes) {
      const { dst, type, dev, gateway, table, nexthops = [] } = route;
      if (dev === plan.uplinkHost || dst.includes(':') || isDefault(dst) || noTarget.has(type ?? ''))
        continue;
      if (!overlaps(range, rangeOf(dst))) continue;
      const out = dev ?? nexthops[0]?.dev;
      fail(
        [
          `the route ${dst}`,
          ...(gateway === undefined ? [] : [`via ${gateway}`]),
          ...(out === undefined ? [] : [`dev ${out}`]),
          ...(table === undefined ? [] : [`(table ${table})`]),
        ].join(' '),
      );
    }
  }
}
