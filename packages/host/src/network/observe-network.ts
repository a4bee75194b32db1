import { asHearthError, parseWith, type Config, type Progress } from '@hearth/contract';
import { z } from 'zod';
import type { NetworkPlan } from './addressing.ts';
import { parseHostsFile } from './dnsmasq-arguments.ts';
import type { DnsmasqPaths } from './dnsmasq-record.ts';
import { TABLE } from './firewall.ts';
import { parseList } from './ip-json.ts';
import { parseLeases, type Lease } from './leases.ts';
import { listLinks } from './links.ts';
import { readOptionalFile } from './optional-file.ts';
import type { Run } from './run-port.ts';
import { dropsOfOthers, listRuleset, tableOf, type Ruleset } from './ruleset.ts';

export interface LinkSight {
  name: string;
  up: boolean;
  /** Is something at the other end? Of a TAP: does a VMM hold it? */
  carrier: boolean;
  /** The bridge that it is a port of. */
  master: string | null;
  mac: string;
  /** CIDR. */
  addresses: string[];
}

/** What the machine shows of the VMs' network. */
export interface NetworkSight {
  links: LinkSight[];
  /** Static and permanent entries at our bridge and TAPs. */
  fdb: { mac: string; interface: string }[];
  /** At the bridge. */
  neighbours: { ip: string; mac: string | null; state: string }[];
  leases: Lease[];
  /** What dnsmasq's hosts file says now. */
  reservations: { mac: string; ip: string }[];
  /** `${tap} ${mac} ${ip}` of the firewall's set. An interface that is half pinned has `?` for what is missing. */
  pins: string[];
  /** null: our tables are as they were set; else what differs. */
  rulesFault: string | null;
  /**
   * Chains that aren't ours and drop what VMs send or get, by policy or by a plain rule: in this namespace, and with uplink nat or host
   * in the machine's own, unless that table accepts for our uplink.
   */
  foreignDrops: string[];
  /** Does this namespace forward IPv4? */
  forwarding: boolean;
  /** null while dnsmasq runs, has read its reservations and answers. */
  dnsmasqFault: string | null;
}

/** Our rules as the kernel listed them right after we set them. */
export type ExpectedRules = Record<'bridge' | 'inet', string>;

export interface ObserveOptions {
  /** In Hearth's namespace. */
  run: Run;
  /** In the machine's own. */
  runOutside: Run;
  plan: NetworkPlan;
  uplink: Config['network']['uplink'];
  paths: DnsmasqPaths;
  expected: ExpectedRules | null;
  dnsmasqFault: () => Promise<string | null>;
  progress: Progress;
}

/** Looks at the network, with the same few commands however many VMs there are. Throws network_failed. */
export async function observeNetwork(options: ObserveOptions): Promise<NetworkSight> {
  const { run, plan, paths, expected, progress } = options;
  const { signal } = progress;
  const json = async (command: string, args: string[]): Promise<unknown[]> =>
    parseList((await run(command, args, { signal, code: 'network_failed' })).stdout);
  const [links, fdb, neighbours, ruleset, outside, forwarding, leases, hosts, dnsmasqFault] =
    await Promise.all([
      listLinks(run, signal),
      json('bridge', ['-j', 'fdb', 'show']),
      json('ip', ['-j', '-4', 'neigh', 'show']),
      listRuleset(run, signal),
      outsideRuleset(options),
      run('cat', ['/proc/sys/net/ipv4/ip_forward'], { signal, code: 'network_failed' }),
      readOptionalFile(paths.leases),
      readOptionalFile(paths.hosts),
      options.dnsmasqFault(),
    ]);
  return {
    links: links.map(({ ifname, flags = [], master, address, addr_info: infos = [] }) => ({
      name: ifname,
      up: flags.includes('UP'),
      carrier: flags.includes('LOWER_UP'),
      master: master ?? null,
      mac: address ?? '',
      addresses: infos.flatMap(({ local, prefixlen }) =>
        local === undefined ? [] : [`${local}/${prefixlen ?? 32}`],
      ),
    })),
    fdb: parseWith(fdbSchema, fdb, 'network_failed', 'bridge fdb').flatMap(
      ({ mac, ifname, master, state }) =>
        master === plan.bridge && (state === 'static' || state === 'permanent')
          ? [{ mac, interface: ifname }]
          : [],
    ),
    neighbours: parseWith(neighboursSchema, neighbours, 'network_failed', 'ip neigh').flatMap(
      ({ dst, dev, lladdr, state }) =>
        dev === plan.bridge ? [{ ip: dst, mac: lladdr ?? null, state: state.join(' ') }] : [],
    ),
    leases: parseLeases(leases),
    reservations: parseHostsFile(hosts),
    pins: pinsOf(ruleset),
    rulesFault: rulesFault(ruleset, expected),
    foreignDrops: [
      ...dropsOfOthers(ruleset, {
        own: (family, table) => table === TABLE && ['inet', 'bridge'].includes(family),
        hooks: ['prerouting', 'input', 'forward', 'output', 'postrouting'],
      }),
      ...dropsOfOthers(outside, {
        own: (_family, table) => table === plan.hostTable,
        hooks: ['forward'],
        uplink: plan.uplinkHost,
      }).map((drop) => `${drop}, in the machine's own network`),
    ],
    forwarding: forwarding.stdout.trim() === '1',
    dnsmasqFault,
  };
}

const fdbSchema = z.array(
  z.object({
    mac: z.string(),
    ifname: z.string(),
    master: z.string().optional(),
    state: z.string().optional(),
  }),
);
const neighboursSchema = z.array(
  z.object({
    dst: z.string(),
    dev: z.string(),
    lladdr: z.string().optional(),
    state: z.array(z.string()).default([]),
  }),
);

/** Who looks may be in a container that hides the machine's own network: then nothing is said of it. */
async function outsideRuleset({ runOutside, uplink, progress }: ObserveOptions): Promise<Ruleset> {
  if (uplink === 'none') return [];
  try {
    return await listRuleset(runOutside, progress.signal);
  } catch (error) {
    progress.throwIfAborted();
    progress.log('the rules of the machine’s own network can’t be read', {
      layer: 'network',
      error: asHearthError(error).detail,
    });
    return [];
  }
}

/** An interface is pinned once both sets have it. */
function pinsOf(ruleset: Ruleset): string[] {
  const elements = tableOf(ruleset, 'bridge', TABLE)?.elements ?? {};
  const pinned = elements['pinned'] ?? [];
  const stations = new Set(elements['stations'] ?? []);
  const stationOf = (pin: string): string => pin.split(' ').slice(0, 2).join(' ');
  const whole = new Set(pinned.map(stationOf));
  return [
    ...pinned.map((pin) => (stations.has(stationOf(pin)) ? pin : `${pin} ?`)),
    ...[...stations].filter((station) => !whole.has(station)).map((station) => `${station} ?`),
  ];
}

function rulesFault(ruleset: Ruleset, expected: ExpectedRules | null): string | null {
  if (expected === null) return 'the firewall was not set';
  for (const family of ['bridge', 'inet'] as const) {
    const table = tableOf(ruleset, family, TABLE);
    if (table === null) return `the table ${TABLE} of family ${family} is gone`;
    if (table.rules !== expected[family])
      return `the rules of family ${family} were changed by something else`;
  }
  return null;
}
