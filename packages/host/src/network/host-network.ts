import {
  asHearthError,
  HearthError,
  startProgress,
  withAbort,
  type Address,
  type Check,
  type Config,
  type Log,
  type Progress,
} from '@hearth/contract';
import { mkdir } from 'node:fs/promises';
import { startChild as startChildHere } from '../exec/daemon.ts';
import { run as runHere } from '../exec/run.ts';
import { parseAllowed, planNetwork, type NetworkPlan } from './addressing.ts';
import { createDnsmasq, type Dnsmasq } from './dnsmasq.ts';
import { dnsmasqPaths } from './dnsmasq-record.ts';
import { bridgeTable, namespaceTable, pinCommands, TABLE, unpinCommands } from './firewall.ts';
import type { Lease, LeaseEvent } from './leases.ts';
import {
  ensureBridge,
  ensureTap,
  forgetNeighbour,
  listLinks,
  removeTap,
  setNamespaceSettings,
  tapsOf,
} from './links.ts';
import { writeKernelSetting } from './kernel-settings.ts';
import { answerFault, askName, networkChecks, type AskName } from './network-checks.ts';
import { applyRules } from './nftables.ts';
import { observeNetwork, type ExpectedRules, type NetworkSight } from './observe-network.ts';
import { applyRemedies, type Remedy } from './remedy.ts';
import { findUpstream } from './resolvers.ts';
import { listRuleset, requireTable, tableOf } from './ruleset.ts';
import type { Run, StartChild } from './run-port.ts';

interface HostNetworkOptions {
  config: Config;
  log: Log;
  /** Epoch milliseconds. */
  now?: () => number;
  /** Both run in Hearth's namespace: in the daemon because it lives there. */
  run?: Run;
  /** Runs in the machine's own namespace. */
  runOutside?: Run;
  startChild?: StartChild;
  ask?: AskName;
}

/** The VMs' network inside the namespace: bridge, TAPs, DHCP, DNS and firewall, all derived from the address book. */
export interface HostNetwork {
  readonly plan: NetworkPlan;
  /** Makes bridge and rules, or adopts what an earlier daemon left; touches no VM. `sync` comes next. */
  start(progress: Progress): Promise<void>;
  /**
   * Makes the kernel and dnsmasq agree with the book: sweeps unknown TAPs (F18), makes missing ones.
   * The first one starts dnsmasq, in place of that of an earlier daemon.
   */
  sync(addresses: readonly Address[], progress: Progress): Promise<void>;
  /** Joins a VM; its address must be in the book by now. May be repeated. */
  attach(address: Address, progress: Progress): Promise<void>;
  /** Takes away all that attach made, the lease included. May be repeated; every step is tried. */
  detach(address: Address, signal?: AbortSignal): Promise<void>;
  /** Puts right what drifted, as far as the VMs concerned are attached still; another look tells whether it helped. */
  repair(remedies: readonly Remedy[], progress: Progress): Promise<void>;
  /** Takes away TAPs, pins, reservations and leases of VMs that aren't attached. */
  tidy(progress: Progress): Promise<void>;
  /** Of the dnsmasq that we run. */
  dnsmasqPid(): number | null;
  /** What the machine shows, now. Throws network_failed. */
  sight(progress: Progress): Promise<NetworkSight>;
  checks(signal?: AbortSignal): Promise<Check[]>;
  leaseOf(mac: string): Promise<Lease | undefined>;
  /** Calls at each DHCPACK; returns how to end that. */
  onLease(listener: (event: LeaseEvent) => void): () => void;
  /** Stops dnsmasq. Bridge, TAPs and rules stay, and with them the VMs. */
  stop(): Promise<void>;
}

const DETACH_TIMEOUT_MS = 20_000;
const CHECKS_TIMEOUT_MS = 5000;
const STOP_TIMEOUT_MS = 10_000;

export function createHostNetwork({
  config,
  log,
  now = Date.now,
  run = runHere,
  runOutside = (command, args, options) =>
    run('nsenter', ['--net=/proc/1/ns/net', command, ...args], options),
  startChild = startChildHere,
  ask = askName,
}: HostNetworkOptions): HostNetwork {
  const plan = planNetwork(config);
  const allowed = parseAllowed(config.network.allow);
  const firewall = { plan, uplink: config.network.uplink, allowed };
  const listeners = new Set<(event: LeaseEvent) => void>();
  const attached = new Map<string, Address>();
  let dnsmasq: Dnsmasq | null = null;
  let expected: ExpectedRules | null = null;
  let queue: Promise<void> = Promise.resolve();

  /** One change at a time: what sync reads must not be made by attach meanwhile. */
  async function inTurn(progress: Progress, action: () => Promise<void>): Promise<void> {
    const turn = queue.then(async () => {
      progress.throwIfAborted();
      await action();
    });
    queue = turn.catch(() => undefined);
    await withAbort(turn, progress.signal);
  }

  const running = (): Dnsmasq => {
    if (dnsmasq === null)
      throw new HearthError('network_failed', 'the network was not brought in line with the book yet');
    return dnsmasq;
  };

  /** Both tables at once, with all pins: packets of VMs at work meet the old rules or the new. */
  async function loadRules(progress: Progress): Promise<void> {
    await applyRules(
      run,
      [...bridgeTable([...attached.values()]), ...namespaceTable(firewall)],
      progress.signal,
    );
    const ruleset = await listRuleset(run, progress.signal);
    expected = {
      bridge: requireTable(ruleset, 'bridge', TABLE).rules,
      inet: requireTable(ruleset, 'inet', TABLE).rules,
    };
  }

  async function removeUnknownTaps(
    links: Awaited<ReturnType<typeof listLinks>>,
    progress: Progress,
  ): Promise<void> {
    const wanted = new Set([...attached.values()].map(({ tap }) => tap));
    for (const { ifname } of tapsOf(links).filter(({ ifname: name }) => !wanted.has(name))) {
      await removeTap(run, ifname, progress.signal);
      log('F18: a TAP that no VM has was removed', { tap: ifname });
    }
  }

  async function matchTaps(progress: Progress): Promise<void> {
    const links = await listLinks(run, progress.signal);
    await removeUnknownTaps(links, progress);
    for (const address of attached.values())
      await ensureTap(run, plan, address, config.vms.vmmUser, links, progress.signal);
  }

  /** Somebody waits: whether one of that name is left over is looked up only where that keeps it from being made. */
  async function makeTap(address: Address, progress: Progress): Promise<void> {
    const { vmmUser } = config.vms;
    try {
      await ensureTap(run, plan, address, vmmUser, [], progress.signal);
    } catch (error) {
      const links = await listLinks(run, progress.signal);
      if (!links.some(({ ifname }) => ifname === address.tap)) throw error;
      await ensureTap(run, plan, address, vmmUser, links, progress.signal);
    }
  }

  async function dnsmasqUser(progress: Progress): Promise<string> {
    const { exitCode } = await run('id', ['-u', 'dnsmasq'], { signal: progress.signal, okCodes: [0, 1] });
    return exitCode === 0 ? 'dnsmasq' : 'nobody';
  }

  const makeDnsmasq = async (progress: Progress): Promise<Dnsmasq> =>
    createDnsmasq({
      plan,
      runDir: config.runDir,
      paths: dnsmasqPaths(config.runDir, config.stateDir),
      upstream: await findUpstream(config.network, log),
      names: config.network.hosts,
      user: await dnsmasqUser(progress),
      run,
      startChild,
      now,
      log,
      onAck: (event) => {
        for (const listener of listeners) listener(event);
      },
    });

  const dnsmasqFault = async (): Promise<string | null> =>
    dnsmasq === null ? 'dnsmasq was not started' : (dnsmasq.fault() ?? (await answerFault(ask, plan)));

  const sight = (progress: Progress): Promise<NetworkSight> =>
    observeNetwork({
      ...{ run, runOutside, plan, expected, dnsmasqFault, progress, uplink: config.network.uplink },
      paths: dnsmasqPaths(config.runDir, config.stateDir),
    });

  const ownProgress = (what: string, timeoutMs: number, signal?: AbortSignal): Progress =>
    startProgress({ what, timeoutMs, log, ...(signal === undefined ? {} : { signal }) });

  return {
    plan,
    start: (progress) =>
      inTurn(progress, async () => {
        await mkdir(config.runDir, { recursive: true, mode: 0o755 });
        await mkdir(config.stateDir, { recursive: true });
        await setNamespaceSettings(run, progress.signal);
        // The pins of VMs at work stay until sync replaces them by those of the book.
        const pinned = tableOf(await listRuleset(run, progress.signal), 'bridge', TABLE);
        await applyRules(
          run,
          [...(pinned === null ? bridgeTable([]) : []), ...namespaceTable(firewall)],
          progress.signal,
        );
        await ensureBridge(run, plan, progress);
        // Only now, as nothing is to be forwarded without rules.
        await writeKernelSetting(run, 'net/ipv4/ip_forward', '1', { signal: progress.signal });
      }),

    sync: (addresses, progress) =>
      inTurn(progress, async () => {
        attached.clear();
        for (const address of addresses) attached.set(address.ip, address);
        await loadRules(progress);
        await ensureBridge(run, plan, progress);
        await matchTaps(progress);
        if (dnsmasq !== null) {
          await dnsmasq.setReservations([...attached.values()], progress);
          return;
        }
        const server = await makeDnsmasq(progress);
        await server.start([...attached.values()], progress);
        dnsmasq = server;
      }),

    attach: (address, progress) =>
      inTurn(progress, async () => {
        const server = running();
        attached.set(address.ip, address);
        await Promise.all([
          makeTap(address, progress),
          applyRules(run, pinCommands(address), progress.signal),
          server.addReservation(address, progress),
        ]);
      }),

    detach: (address, signal) => {
      const progress = ownProgress(`detaching ${address.ip}`, DETACH_TIMEOUT_MS, signal);
      return inTurn(progress, async () => {
        const server = running();
        attached.delete(address.ip);
        const steps: [what: string, step: () => Promise<unknown>][] = [
          ['pin', () => applyRules(run, unpinCommands(address), progress.signal)],
          ['TAP', () => removeTap(run, address.tap, progress.signal)],
          // The reservation goes first, else the guest's last request would bring the lease back.
          ['reservation', () => server.removeReservation(address, progress)],
          ['lease', () => server.releaseLease(address, progress)],
          ['neighbour', () => forgetNeighbour(run, plan, address.ip, progress.signal)],
        ];
        const faults: string[] = [];
        const causes: unknown[] = [];
        for (const [what, step] of steps) {
          try {
            await step();
          } catch (error) {
            faults.push(`${what}: ${asHearthError(error).detail}`);
            causes.push(error);
          }
        }
        if (faults.length > 0) {
          throw new HearthError(
            'network_failed',
            `${address.ip} was not wholly detached: ${faults.join('; ')}`,
            {
              cause: causes.length === 1 ? causes[0] : new AggregateError(causes),
            },
          );
        }
      });
    },

    repair: (remedies, progress) =>
      inTurn(progress, () =>
        applyRemedies(
          remedies,
          { run, plan, attached, loadRules, log, vmmUser: config.vms.vmmUser, dnsmasq: running() },
          progress,
        ),
      ),

    tidy: (progress) =>
      inTurn(progress, async () => {
        const server = running();
        await removeUnknownTaps(await listLinks(run, progress.signal), progress);
        await loadRules(progress);
        await server.setReservations([...attached.values()], progress);
        for (const lease of await server.leases())
          if (attached.get(lease.ip)?.mac !== lease.mac) await server.releaseLease(lease, progress);
      }),

    dnsmasqPid: () => dnsmasq?.pid() ?? null,

    sight,

    async checks(signal) {
      try {
        const seen = await sight(ownProgress('checks of the network', CHECKS_TIMEOUT_MS, signal));
        return networkChecks(seen, plan, [...attached.values()]);
      } catch (error) {
        return [{ name: 'network', ok: false, detail: asHearthError(error).detail }];
      }
    },

    async leaseOf(mac) {
      return (await running().leases()).find((lease) => lease.mac === mac.toLowerCase());
    },

    onLease(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },

    stop: () => {
      const progress = ownProgress('stopping dnsmasq', STOP_TIMEOUT_MS);
      return inTurn(progress, async () => {
        const server = dnsmasq;
        dnsmasq = null;
        await server?.stop(progress);
      });
    },
  };
}
