import { HearthError, parseWith, type Address, type Progress } from '@hearth/contract';
import { z } from 'zod';
import { macOf, TAP_PREFIX, type NetworkPlan } from './addressing.ts';
import { writeKernelSetting } from './kernel-settings.ts';
import { setOnlyAddress } from './interface-address.ts';
import type { Run } from './run-port.ts';

const linksSchema = z.array(
  z.object({
    ifname: z.string(),
    master: z.string().optional(),
    flags: z.array(z.string()).optional(),
    address: z.string().optional(),
    addr_info: z
      .array(z.object({ local: z.string().optional(), prefixlen: z.number().optional() }))
      .optional(),
  }),
);
type Link = z.infer<typeof linksSchema>[number];

export async function listLinks(run: Run, signal: AbortSignal): Promise<Link[]> {
  const { stdout } = await run('ip', ['-j', 'addr'], { signal, code: 'network_failed' });
  return parseWith(linksSchema, JSON.parse(stdout), 'network_failed', 'ip addr');
}

/** Interfaces on our bridge's side that carry a VM. */
export const tapsOf = (links: readonly Link[]): Link[] =>
  links.filter(({ ifname }) => ifname.startsWith(TAP_PREFIX));

/** Settings of the whole namespace; absent ones are of a kernel without that part. */
const NAMESPACE_SETTINGS: readonly [path: string, value: string, optional?: true][] = [
  // F39: one address family.
  ['net/ipv6/conf/all/disable_ipv6', '1', true],
  ['net/ipv6/conf/default/disable_ipv6', '1', true],
  ['net/ipv4/conf/all/rp_filter', '1'],
  ['net/ipv4/conf/default/rp_filter', '1'],
  // The bridge answers ARP for its own address only, and tells no guest about others.
  ['net/ipv4/conf/all/arp_ignore', '1'],
  ['net/ipv4/conf/all/send_redirects', '0'],
  ['net/ipv4/conf/default/send_redirects', '0'],
  ['net/ipv4/conf/all/accept_redirects', '0'],
  // Frames between bridge ports are the bridge table's business.
  ['net/bridge/bridge-nf-call-iptables', '0', true],
  ['net/bridge/bridge-nf-call-ip6tables', '0', true],
  ['net/bridge/bridge-nf-call-arptables', '0', true],
];

export async function setNamespaceSettings(run: Run, signal: AbortSignal): Promise<void> {
  for (const [path, value, optional = false] of NAMESPACE_SETTINGS)
    await writeKernelSetting(run, path, value, { optional, signal });
}

/** Makes the bridge, or puts right the one that is there, with its ports as they are. */
export async function ensureBridge(run: Run, plan: NetworkPlan, progress: Progress): Promise<void> {
  const options = { signal: progress.signal, code: 'network_failed' as const };
  const { bridge, gateway, prefixLength } = plan;
  const kind = ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0'];
  const exists = (await listLinks(run, progress.signal)).some(({ ifname }) => ifname === bridge);
  if (exists) await run('ip', ['link', 'set', 'dev', bridge, ...kind], options);
  // A bridge without a MAC of its own takes those of its ports, and changes it as they come and go.
  else await run('ip', ['link', 'add', bridge, 'address', macOf(gateway), ...kind], options);
  await setOnlyAddress(run, progress, [], bridge, `${gateway}/${prefixLength}`);
  await run('ip', ['link', 'set', 'dev', bridge, 'up'], options);
}

/**
 * Makes the TAP of a VM, or takes the one that is there, as a port of the bridge that talks to nobody but the bridge.
 * F2: QEMU and Firecracker open it with a virtio-net header (vnet_hdr) and without multi-queue; what they open must fit.
 * `user` may open it, so that a VMM without root can.
 */
export async function ensureTap(
  run: Run,
  plan: NetworkPlan,
  { tap, mac }: Pick<Address, 'tap' | 'mac'>,
  user: string,
  links: readonly Link[],
  signal: AbortSignal,
): Promise<void> {
  if (!tap.startsWith(TAP_PREFIX)) throw new HearthError('internal', `${tap} is no name of a TAP of ours`);
  const exists = links.some(({ ifname }) => ifname === tap);
  await batch(run, 'ip', signal, [
    ...(exists ? [] : [`tuntap add dev ${tap} mode tap user ${user} vnet_hdr`]),
    `link set dev ${tap} master ${plan.bridge} up`,
  ]);
  await batch(run, 'bridge', signal, [
    `link set dev ${tap} isolated on learning off flood off mcast_flood off`,
    `fdb replace ${mac} dev ${tap} master static`,
  ]);
}

async function batch(
  run: Run,
  command: 'ip' | 'bridge',
  signal: AbortSignal,
  lines: string[],
): Promise<void> {
  await run(command, ['-batch', '-'], { input: `${lines.join('\n')}\n`, signal, code: 'network_failed' });
}

/** false where there was none. */
export async function removeTap(run: Run, tap: string, signal: AbortSignal): Promise<boolean> {
  const { exitCode, stderr } = await run('ip', ['link', 'del', 'dev', tap], {
    signal,
    code: 'network_failed',
    okCodes: [0, 1, 2],
  });
  if (exitCode === 0) return true;
  if (/Cannot find device|No such device/.test(stderr)) return false;
  throw new HearthError('network_failed', `the interface ${tap} could not be removed: ${stderr}`);
}

/** F1: a stale answer of ARP would send to the former owner of the address. */
export async function forgetNeighbour(
  run: Run,
  plan: NetworkPlan,
  ip: string,
  signal: AbortSignal,
): Promise<void> {
  // Else it leaves out the permanent ones, which somebody set by hand.
  await run('ip', ['neigh', 'flush', 'to', ip, 'dev', plan.bridge, 'nud', 'all'], {
    signal,
    code: 'network_failed',
  });
}
