import { rm } from 'node:fs/promises';
import {
  asHearthError,
  HearthError,
  withAbort,
  type Address,
  type Config,
  type Leftover,
  type Log,
  type Progress,
  type SweepReport,
  type TraceKind,
  type VmId,
} from '@hearth/contract';
import { eraseFile } from '../disks/erase-file.ts';
import { endProcess } from '../exec/process-identity.ts';
import { findRecordedDnsmasq } from '../network/dnsmasq-record.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { CgroupTree } from '../vmm/cgroup.ts';
import type { ExpectingRecord } from './expectation.ts';
import { findLeftovers, networkTraces, type SweepSight, type Trace, type Written } from './leftovers.ts';
import { findOwnedFiles } from './owned-files.ts';
import { findOwnProcesses } from './own-processes.ts';

export interface SweeperDeps {
  config: Config;
  records: () => readonly ExpectingRecord[];
  book: { list(): { vmId: VmId; address: Address }[]; free(vmId: VmId): void };
  network: {
    sight(progress: Progress): Promise<NetworkSight>;
    detach(address: Address): Promise<void>;
    /** Takes away what no VM of the book has. */
    tidy(progress: Progress): Promise<void>;
    dnsmasqPid(): number | null;
  };
  cgroups: Pick<CgroupTree, 'list' | 'remove'>;
  /** Epoch milliseconds. */
  now?: () => number;
  log: Log;
}

/** Finds and removes what no record speaks of. */
export interface Sweeper {
  /** One at a time; safe at any moment. Throws what keeps it from looking; what can't be removed is in the report. */
  sweep(request: { dryRun: boolean }, progress: Progress): Promise<SweepReport>;
  /** What was removed since this daemon started, that of its start included; a kind that was never met is not in it. */
  removed(): ReadonlyMap<TraceKind, number>;
}

const DAY_MS = 24 * 3600 * 1000;
/** A VMM has nothing to say at its end; dnsmasq writes its leases. */
const GRACE_MS: Partial<Record<TraceKind, number>> = { dnsmasq: 2000 };
const NETWORK_KINDS: readonly TraceKind[] = ['tap', 'pin', 'reservation', 'lease'];

export function createSweeper(deps: SweeperDeps): Sweeper {
  const { config, records, book, network, cgroups, now = Date.now, log } = deps;
  const counts = new Map<TraceKind, number>();
  let queue: Promise<unknown> = Promise.resolve();

  const written = async (): Promise<Written> => ({
    records: records(),
    addresses: book.list(),
    // Before ours runs, that of an earlier daemon is in use still.
    dnsmasqPid: network.dnsmasqPid() ?? (await findRecordedDnsmasq(config.runDir))?.pid ?? null,
  });

  async function find(progress: Progress): Promise<Trace[]> {
    const before = await written();
    const [processes, sight, files, groups] = await Promise.all([
      findOwnProcesses(config),
      network.sight(progress),
      findOwnedFiles(config),
      cgroups.list(),
    ]);
    const seen: SweepSight = { processes, network: sight, files, cgroups: groups };
    const retentionMs = config.controller.retentionDays * DAY_MS;
    return findLeftovers([before, await written()], seen, now() - retentionMs);
  }

  /** Undefined where it was removed, else why it wasn't. */
  async function attempt(work: () => Promise<void>, progress: Progress): Promise<string | undefined> {
    try {
      await work();
      return undefined;
    } catch (error) {
      progress.throwIfAborted();
      return asHearthError(error).detail;
    }
  }

  /** @param alive VMs of which a VMM could not be ended */
  async function removeOne(trace: Trace, alive: Set<VmId>, progress: Progress): Promise<void> {
    switch (trace.kind) {
      case 'process':
      case 'dnsmasq':
        // Until it is confirmed dead, its VM holds what it uses.
        if (trace.vmId !== null) alive.add(trace.vmId);
        await endProcess(trace.process, GRACE_MS[trace.kind] ?? 0, progress);
        if (trace.vmId !== null) alive.delete(trace.vmId);
        return;
      case 'address':
        if (alive.has(trace.vmId)) throw stillThere(`a VMM of ${trace.vmId} still runs`);
        await network.detach(trace.address);
        book.free(trace.vmId);
        return;
      case 'disk':
      case 'socket':
      case 'folder':
      case 'console':
        if (alive.has(trace.vmId)) throw stillThere(`a VMM of ${trace.vmId} still runs`);
        if (records().some(({ id }) => id === trace.vmId))
          throw stillThere(`${trace.vmId} came back meanwhile`);
        // Somebody may have signed in on it.
        if (trace.kind === 'disk') await eraseFile(trace.name);
        await rm(trace.name, { recursive: true, force: true });
        return;
      case 'cgroup':
        await cgroups.remove(trace.name);
    }
  }

  async function remove(traces: readonly Trace[], progress: Progress): Promise<Leftover[]> {
    const alive = new Set<VmId>();
    const isOfNetwork = ({ kind }: Trace): boolean => NETWORK_KINDS.includes(kind);
    const faults = new Map<Trace, string>();
    for (const trace of traces.filter((one) => !isOfNetwork(one))) {
      const fault = await attempt(() => removeOne(trace, alive, progress), progress);
      if (fault !== undefined) faults.set(trace, fault);
    }
    const ofNetwork = traces.filter(isOfNetwork);
    if (ofNetwork.length > 0) {
      const fault = await attempt(() => network.tidy(progress), progress);
      const left = networkTraces(await network.sight(progress));
      for (const trace of ofNetwork)
        if (left.has(`${trace.kind} ${trace.name}`)) faults.set(trace, fault ?? 'it is there still');
    }
    return traces.map((trace) => {
      const fault = faults.get(trace);
      return {
        ...told(trace),
        ...(fault === undefined ? {} : { detail: fault }),
        removed: fault === undefined,
      };
    });
  }

  async function sweepOnce(dryRun: boolean, progress: Progress): Promise<SweepReport> {
    const traces = await find(progress);
    const leftovers = dryRun
      ? traces.map((trace) => ({ ...told(trace), removed: null }))
      : await remove(traces, progress);
    const report: SweepReport = { at: new Date(now()).toISOString(), dryRun, leftovers };
    if (!dryRun) {
      for (const leftover of leftovers) {
        log(`swept: ${leftover.kind} ${leftover.name}`, { ...leftover });
        if (leftover.removed === true) counts.set(leftover.kind, (counts.get(leftover.kind) ?? 0) + 1);
      }
    }
    return report;
  }

  return {
    sweep: async ({ dryRun }, progress) => {
      const turn = queue.then(() => {
        progress.throwIfAborted();
        return sweepOnce(dryRun, progress);
      });
      queue = turn.catch(() => undefined);
      return withAbort(turn, progress.signal);
    },
    removed: () => counts,
  };
}

const told = ({ kind, name, detail }: Trace): Omit<Leftover, 'removed'> => ({ kind, name, detail });
const stillThere = (why: string): HearthError => new HearthError('conflict', why);
