import { HearthError, parseWith, type Config, type Progress } from '@hearth/contract';
import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import { parseAllowed, planNetwork, type NetworkPlan } from './addressing.ts';
import { addressesSchema, checkConflicts, routesSchema } from './conflicts.ts';
import { endRecordedDnsmasq } from './dnsmasq-record.ts';
import { hostTable } from './firewall.ts';
import { parseList } from './ip-json.ts';
import { setOnlyAddress } from './interface-address.ts';
import { applyRules, deleteTable } from './nftables.ts';
import { findUpstream } from './resolvers.ts';
import { writeKernelSetting } from './kernel-settings.ts';
import { dropsOfOthers, listRuleset } from './ruleset.ts';
import type { Run } from './run-port.ts';

const NAMESPACE_FOLDER = '/run/netns';
/** Alias of the namespace's loopback: by it we know our own namespaces. */
const ownerMark = (name: string): string => `hearth:${name}`;

const linkSchema = z.array(
  z.object({
    ifname: z.string().optional(),
    ifalias: z.string().optional(),
    mtu: z.number().optional(),
    linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
  }),
);

/** What was done or undone, one sentence each, for the operator's eyes. */
type Steps = string[];

export async function namespaceExists(name: string): Promise<boolean> {
  try {
    return (await readdir(NAMESPACE_FOLDER)).includes(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Makes the namespace and joins it to the machine's own, in which this must run, as root. May be repeated; what is there
 * of an earlier run is put right. Enter it afterwards with `nsenter --net=<namespacePath>`.
 * Throws network_conflict where the networks collide with the host or the name is another's namespace.
 */
export async function prepareNamespace(config: Config, run: Run, progress: Progress): Promise<Steps> {
  const plan = planNetwork(config);
  const allowed = parseAllowed(config.network.allow);
  const { uplink } = config.network;
  const steps: Steps = [];
  const options = { signal: progress.signal, code: 'network_failed' as const };
  const ip = async (...args: string[]): Promise<string> => (await run('ip', args, options)).stdout;

  if (uplink !== 'none') {
    checkConflicts(
      config.network,
      plan,
      parseWith(
        routesSchema,
        parseList(await ip('-4', '-j', 'route', 'show', 'table', 'all')),
        'network_failed',
        'ip route',
      ),
      parseWith(addressesSchema, parseList(await ip('-4', '-j', 'addr')), 'network_failed', 'ip addr'),
    );
  }

  if (await namespaceExists(plan.namespace)) {
    await checkOwnership(plan, run, progress);
  } else {
    await ip('netns', 'add', plan.namespace);
    steps.push(`network namespace ${plan.namespace} made`);
  }
  await ip('-n', plan.namespace, 'link', 'set', 'dev', 'lo', 'alias', ownerMark(plan.namespace));
  await ip('-n', plan.namespace, 'link', 'set', 'dev', 'lo', 'up');

  if (uplink === 'none') {
    steps.push(...(await removeHostSide(plan, run, progress)));
    return steps;
  }

  const mtu = await egressMtu(run, progress);
  if (!(await linkExists(run, progress, plan.uplinkHost))) {
    // The peer goes to its namespace in the same step; one that stayed behind would be a stray.
    await ip(
      'link', 'add', plan.uplinkHost, 'type', 'veth', 'peer', 'name', plan.uplinkNamespace, 'netns', plan.namespace,
    ); // prettier-ignore
    steps.push(`uplink ${plan.uplinkHost} made`);
  }
  // The rules come before the link is up: never is there a moment in which VMs reach the host.
  const upstream = await findUpstream(config.network, progress.log);
  const dnsServers = upstream.type === 'none' ? [] : upstream.servers;
  await applyRules(run, hostTable({ plan, uplink, allowed }, dnsServers), progress.signal);
  await writeKernelSetting(run, `net/ipv6/conf/${plan.uplinkHost}/disable_ipv6`, '1', { optional: true });
  await setOnlyAddress(run, progress, [], plan.uplinkHost, `${plan.transitHost}/${plan.transitPrefixLength}`);
  await ip('link', 'set', 'dev', plan.uplinkHost, 'mtu', String(mtu), 'up');

  const inside = ['-n', plan.namespace];
  await setOnlyAddress(
    run, progress, inside, plan.uplinkNamespace, `${plan.transitNamespace}/${plan.transitPrefixLength}`,
  ); // prettier-ignore
  await ip(...inside, 'link', 'set', 'dev', plan.uplinkNamespace, 'mtu', String(mtu), 'up');

  await removeOldRoutes(run, progress, plan);
  await ip(
    'route', 'replace', plan.subnet, 'via', plan.transitNamespace, 'dev', plan.uplinkHost, 'src', plan.transitHost,
  ); // prettier-ignore
  if (uplink === 'nat') {
    await ip(...inside, 'route', 'replace', 'default', 'via', plan.transitHost);
    await writeKernelSetting(run, 'net/ipv4/ip_forward', '1');
    const drops = dropsOfOthers(await listRuleset(run, progress.signal), {
      own: (_family, table) => table === plan.hostTable,
      hooks: ['forward'],
      uplink: plan.uplinkHost,
    });
    for (const drop of drops) {
      const warning = `the firewall chain ${drop} on this machine: VMs reach the internet only if it accepts packets from and to ${plan.uplinkHost}`;
      progress.log(warning);
      steps.push(warning);
    }
  } else {
    await run('ip', [...inside, 'route', 'del', 'default'], { ...options, okCodes: [0, 2] });
    // Without NAT an allowed address can only be one of the host itself.
    for (const { ip: target } of allowed.filter(
      (one) => one.ip !== plan.gateway && one.ip !== plan.transitHost,
    ))
      await ip(...inside, 'route', 'replace', `${target}/32`, 'via', plan.transitHost);
  }
  steps.push(`route ${plan.subnet} via ${plan.transitNamespace} dev ${plan.uplinkHost} in place`);
  return steps;
}

/** What is left when a namespace was taken away. */
interface Removal {
  steps: Steps;
  /** Processes that still run in the namespace (VMMs, most likely): it lives on without a name until they end. */
  remainingPids: number[];
}

/**
 * Takes away the namespace and all that joins it to the machine. May be repeated, and works where half of it is there.
 * End the VMMs before: what still runs inside is reported, not ended, but for the dnsmasq that we recorded.
 */
export async function removeNamespace(
  config: Pick<Config, 'name' | 'network' | 'runDir'>,
  run: Run,
  progress: Progress,
): Promise<Removal> {
  const plan = planNetwork(config);
  const options = { signal: progress.signal, code: 'network_failed' as const };
  const steps: Steps = [];
  const exists = await namespaceExists(plan.namespace);
  if (exists) await checkOwnership(plan, run, progress);
  if (await endRecordedDnsmasq(config.runDir, progress)) steps.push('dnsmasq ended');
  let remainingPids: number[] = [];
  if (exists) {
    const inside = ['-n', plan.namespace];
    const pids = (await run('ip', ['netns', 'pids', plan.namespace], options)).stdout;
    remainingPids = pids
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
    // A process inside would keep the namespace's interfaces alive, so they go by themselves.
    for (const name of await virtualLinks(run, progress, inside)) {
      await run('ip', [...inside, 'link', 'del', 'dev', name], { ...options, okCodes: [0, 1] });
      steps.push(`interface ${name} removed`);
    }
  }
  steps.push(...(await removeHostSide(plan, run, progress)));
  if (exists) {
    await run('ip', ['netns', 'del', plan.namespace], options);
    steps.push(`network namespace ${plan.namespace} removed`);
  }
  return { steps, remainingPids };
}

async function removeHostSide(plan: NetworkPlan, run: Run, progress: Progress): Promise<Steps> {
  const steps: Steps = [];
  if (await linkExists(run, progress, plan.uplinkHost)) {
    // Its peer and its routes go with it.
    await run('ip', ['link', 'del', 'dev', plan.uplinkHost], {
      signal: progress.signal,
      code: 'network_failed',
    });
    steps.push(`uplink ${plan.uplinkHost} removed, with its routes`);
  }
  if (await deleteTable(run, 'ip', plan.hostTable, progress.signal))
    steps.push(`firewall table ${plan.hostTable} removed`);
  return steps;
}

/** A namespace of this name that holds interfaces and not our mark is somebody else's. */
async function checkOwnership(plan: NetworkPlan, run: Run, progress: Progress): Promise<void> {
  const { stdout } = await run('ip', ['-n', plan.namespace, '-d', '-j', 'link'], {
    signal: progress.signal,
    code: 'network_failed',
  });
  const links = parseWith(linkSchema, parseList(stdout), 'network_failed', 'ip link');
  const marked = links.some(
    ({ ifname, ifalias }) => ifname === 'lo' && ifalias === ownerMark(plan.namespace),
  );
  // Kernels put fallback tunnels (sit0, tunl0, …) and the like into each new namespace.
  const foreign = links.filter(({ ifname, linkinfo }) => {
    const kind = linkinfo?.info_kind;
    return (
      ifname !== 'lo' &&
      (kind === undefined || ['veth', 'bridge', 'tun', 'vlan', 'macvlan', 'wireguard'].includes(kind))
    );
  });
  if (!marked && foreign.length > 0) {
    throw new HearthError(
      'network_conflict',
      `the network namespace ${plan.namespace} exists and is not Hearth's: it holds ${foreign.map(({ ifname }) => ifname).join(', ')}`,
      {
        hint: 'Choose another `name` in the configuration.',
        issues: [{ path: 'name', message: 'is the name of a foreign network namespace' }],
      },
    );
  }
}

async function virtualLinks(run: Run, progress: Progress, inside: string[]): Promise<string[]> {
  const { stdout } = await run('ip', [...inside, '-d', '-j', 'link'], {
    signal: progress.signal,
    code: 'network_failed',
  });
  return parseWith(linkSchema, parseList(stdout), 'network_failed', 'ip link').flatMap(
    ({ ifname, linkinfo }) =>
      ifname !== undefined && ['tun', 'bridge'].includes(linkinfo?.info_kind ?? '') ? [ifname] : [],
  );
}

async function linkExists(run: Run, progress: Progress, name: string): Promise<boolean> {
  const { exitCode } = await run('ip', ['-j', 'link', 'show', 'dev', name], {
    signal: progress.signal,
    code: 'network_failed',
    okCodes: [0, 1],
  });
  return exitCode === 0;
}

/** Routes on our uplink to a subnet that was configured earlier. */
async function removeOldRoutes(run: Run, progress: Progress, plan: NetworkPlan): Promise<void> {
  const options = { signal: progress.signal, code: 'network_failed' as const };
  const { stdout } = await run('ip', ['-4', '-j', 'route', 'show', 'dev', plan.uplinkHost], options);
  const routes = parseWith(routesSchema, parseList(stdout), 'network_failed', 'ip route');
  for (const { dst, gateway } of routes)
    if (gateway !== undefined && dst !== plan.subnet)
      await run('ip', ['route', 'del', dst, 'dev', plan.uplinkHost], options);
}

const DEFAULT_MTU = 1500;

/** The uplink takes no larger packets than the way out of the machine does. */
async function egressMtu(run: Run, progress: Progress): Promise<number> {
  const options = { signal: progress.signal, code: 'network_failed' as const };
  const routes = parseWith(
    routesSchema,
    parseList((await run('ip', ['-4', '-j', 'route', 'show', 'default'], options)).stdout),
    'network_failed',
    'ip route',
  );
  const dev = routes[0]?.dev;
  if (dev === undefined) return DEFAULT_MTU;
  const { stdout } = await run('ip', ['-j', 'link', 'show', 'dev', dev], options);
  const [link] = parseWith(linkSchema, parseList(stdout), 'network_failed', 'ip link');
  return Math.min(DEFAULT_MTU, link?.mtu ?? DEFAULT_MTU);
}
