import {
  asHearthError,
  HearthError,
  pause,
  startProgress,
  withAbort,
  type Log,
  type Progress,
} from '@hearth/contract';
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { dnsmasqArguments, hostsFile, type Reservation } from './dnsmasq-arguments.ts';
import { endRecordedDnsmasq, type DnsmasqPaths } from './dnsmasq-record.ts';
import { keepBooked, parseAck, parseLeases, type Lease, type LeaseEvent } from './leases.ts';
import type { NetworkPlan } from './addressing.ts';
import { readOptionalFile } from './optional-file.ts';
import type { Upstream } from './resolvers.ts';
import type { Run, StartChild } from './run-port.ts';

interface DnsmasqOptions {
  plan: NetworkPlan;
  runDir: string;
  paths: DnsmasqPaths;
  upstream: Upstream;
  /** Names that are answered with these addresses. */
  names: Readonly<Record<string, string>>;
  user: string;
  run: Run;
  startChild: StartChild;
  /** Epoch milliseconds. */
  now: () => number;
  log: Log;
  onAck: (event: LeaseEvent) => void;
}

export interface Dnsmasq {
  /** Ends what an earlier daemon left, starts, and returns when it serves with these reservations. */
  start(reservations: readonly Reservation[], progress: Progress): Promise<void>;
  /** Replaces all reservations; returns when dnsmasq said that it has read them. */
  setReservations(reservations: readonly Reservation[], progress: Progress): Promise<void>;
  addReservation(reservation: Reservation, progress: Progress): Promise<void>;
  removeReservation(reservation: Reservation, progress: Progress): Promise<void>;
  /** Makes dnsmasq forget a lease, so that the address can go to another MAC at once. */
  releaseLease(lease: Pick<Reservation, 'mac' | 'ip'>, progress: Progress): Promise<void>;
  /** Ends it and waits for the one that its supervisor starts, with the reservations as they are. */
  restart(progress: Progress): Promise<void>;
  /** Waits until one serves. */
  untilServing(progress: Progress): Promise<void>;
  /** The process that runs now. */
  pid(): number | null;
  leases(): Promise<Lease[]>;
  /** null while it runs and has read its reservations, else why it doesn't. */
  fault(): string | null;
  stop(progress: Progress): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;
const RELOAD_TIMEOUT_MS = 5000;
const RELEASE_TIMEOUT_MS = 2000;
const STOP_TIMEOUT_MS = 2000;
const POLL_MS = 10;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 10_000;
/** A dnsmasq that served this long was in order: the next back-off starts anew. */
const STABLE_MS = 30_000;
const KEPT_LINES = 20;

/** One run of the program. */
interface Instance {
  child: ReturnType<StartChild>;
  /** Settled when it serves; rejected where it ended before. */
  ready: Promise<undefined>;
  exited: Promise<string>;
  /** Called at its next word that it has read the reservations. */
  readers: Set<(error?: HearthError) => void>;
  lastLines: string[];
  alive: boolean;
  serving: boolean;
}

export function createDnsmasq(options: DnsmasqOptions): Dnsmasq {
  const { plan, runDir, paths, upstream, names, user, run, startChild, now, log, onAck } = options;
  const reservations = new Map<string, Reservation>();
  const stopping = new AbortController();
  const stopped = (): boolean => stopping.signal.aborted;
  let current: Instance | null = null;
  let supervision: Promise<void> = Promise.resolve();
  let lastFault = 'dnsmasq was not started';
  /** Reloads follow one another, so that each word of dnsmasq belongs to one of them. */
  let reloads: Promise<void> = Promise.resolve();
  let wanted = 0;
  let applied = 0;

  /** One write after the other, so that an older content never follows a newer one. */
  let writes: Promise<void> = Promise.resolve();
  async function writeHosts(): Promise<void> {
    const turn = writes.then(async () => {
      const draft = `${paths.hosts}.new`;
      await writeFile(draft, hostsFile(reservations.values()), { mode: 0o644 });
      await rename(draft, paths.hosts);
    });
    writes = turn.catch(() => undefined);
    await turn;
  }

  async function launch(): Promise<Instance> {
    await mkdir(paths.folder, { recursive: true, mode: 0o755 });
    // It reads the file again after it gave up root, so the umask must not hide it.
    await chmod(paths.folder, 0o755);
    await mkdir(dirname(paths.leases), { recursive: true });
    const target = wanted;
    await writeHosts();
    await writeFile(
      paths.leases,
      keepBooked(await readOptionalFile(paths.leases), [...reservations.values()]),
    );
    const ready = Promise.withResolvers<undefined>();
    const exited = Promise.withResolvers<string>();
    ready.promise.catch(() => undefined);
    const onLine = (line: string): void => {
      instance.lastLines.push(line);
      if (instance.lastLines.length > KEPT_LINES) instance.lastLines.shift();
      const ack = parseAck(line);
      if (ack !== undefined) onAck({ ...ack, atMs: now() });
      if (line.includes(`cannot read ${paths.hosts}`) || line.includes(`failed to read ${paths.hosts}`)) {
        const fault = new HearthError(
          'network_failed',
          `${line}: the folders above must be open to user ${user}`,
        );
        ready.reject(fault);
        for (const reader of instance.readers) reader(fault);
      } else if (line.includes(`read ${paths.hosts}`)) {
        applied = Math.max(applied, target);
        instance.serving = true;
        ready.resolve(undefined);
        for (const reader of instance.readers) reader();
      }
    };
    const child = startChild('dnsmasq', dnsmasqArguments(plan, paths, upstream, names, user), onLine);
    const instance: Instance = {
      child,
      ready: ready.promise,
      exited: exited.promise,
      readers: new Set(),
      lastLines: [],
      alive: true,
      serving: false,
    };
    const end = (how: string): void => {
      if (!instance.alive) return;
      instance.alive = false;
      instance.serving = false;
      lastFault = `dnsmasq ended (${how}): ${instance.lastLines.slice(-3).join(' | ')}`;
      const fault = new HearthError('network_failed', lastFault);
      ready.reject(fault);
      for (const reader of instance.readers) reader(fault);
      exited.resolve(lastFault);
    };
    child.once('error', (error) => end(error.message));
    // `close` comes after the last line was read, so that its last words are known.
    child.once('close', (code, signal) => end(code === null ? String(signal) : `exit code ${code}`));
    return instance;
  }

  /** Keeps one dnsmasq running until we stop. */
  async function supervise(first: Instance): Promise<void> {
    let instance = first;
    let startedMs = performance.now();
    let backoffMs = FIRST_BACKOFF_MS;
    while (!stopped()) {
      const how = await instance.exited;
      if (stopped()) return;
      if (performance.now() - startedMs > STABLE_MS) backoffMs = FIRST_BACKOFF_MS;
      log('dnsmasq ended by itself and is started again', { how, backoffMs });
      try {
        await pause(backoffMs, stopping.signal);
        backoffMs = Math.min(backoffMs * 2, LAST_BACKOFF_MS);
        instance = await launch();
        current = instance;
        startedMs = performance.now();
        await becomeReady(instance, START_TIMEOUT_MS, stopping.signal);
      } catch (error) {
        if (stopped()) return;
        lastFault = `dnsmasq could not be started again: ${asHearthError(error).message}`;
        log(lastFault);
      }
    }
  }

  /** Waits until it serves; one that doesn't in time is ended. */
  async function becomeReady(instance: Instance, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const limit = startProgress({ what: 'start of dnsmasq', timeoutMs, signal });
    try {
      await withAbort(instance.ready, limit.signal);
    } catch (error) {
      instance.child.kill('SIGKILL');
      throw error;
    }
  }

  /** Waits for a dnsmasq that serves, over restarts. */
  async function serving(progress: Progress): Promise<Instance> {
    for (;;) {
      progress.throwIfAborted();
      if (stopped()) throw new HearthError('shutting_down', 'dnsmasq is being stopped');
      if (current === null) throw new HearthError('network_failed', lastFault);
      const instance = current;
      await withAbort(Promise.allSettled([instance.ready]), progress.signal);
      if (instance.serving) return instance;
      await pause(POLL_MS, progress.signal);
    }
  }

  async function reloadOnce(progress: Progress): Promise<void> {
    const target = wanted;
    await writeHosts();
    const instance = await serving(progress);
    // A start that happened meanwhile has read the file that we wrote.
    if (applied >= target) return;
    const read = Promise.withResolvers<undefined>();
    const reader = (error?: HearthError): void => {
      if (error === undefined) read.resolve(undefined);
      else read.reject(error);
    };
    instance.readers.add(reader);
    const limit = progress.child('reading of the DHCP reservations', RELOAD_TIMEOUT_MS);
    try {
      instance.child.kill('SIGHUP');
      await withAbort(read.promise, limit.signal);
      applied = Math.max(applied, target);
    } catch (error) {
      progress.throwIfAborted();
      // It is stuck or just ended: the one that follows reads the file at its start.
      log('dnsmasq did not confirm its reservations and is started again', { error: String(error) });
      instance.child.kill('SIGKILL');
      await withAbort(instance.exited, progress.signal);
      await serving(progress);
    } finally {
      instance.readers.delete(reader);
    }
  }

  async function reload(progress: Progress): Promise<void> {
    wanted += 1;
    const mine = wanted;
    const turn = reloads.then(async () => {
      // One reload serves all that were asked for before it.
      if (applied < mine) await reloadOnce(progress);
    });
    reloads = turn.catch(() => undefined);
    await withAbort(turn, progress.signal);
  }

  const dnsmasq: Dnsmasq = {
    async start(initial, progress) {
      if (await endRecordedDnsmasq(runDir, progress)) log('the dnsmasq of an earlier daemon was ended');
      reservations.clear();
      for (const one of initial) reservations.set(one.mac, one);
      wanted += 1;
      const instance = await launch();
      current = instance;
      try {
        await becomeReady(instance, START_TIMEOUT_MS, progress.signal);
      } catch (error) {
        current = null;
        throw asHearthError(error, 'network_failed');
      }
      supervision = supervise(instance);
    },
    async setReservations(all, progress) {
      reservations.clear();
      for (const one of all) reservations.set(one.mac, one);
      await reload(progress);
    },
    async addReservation(reservation, progress) {
      reservations.set(reservation.mac, reservation);
      await reload(progress);
    },
    async removeReservation(reservation, progress) {
      if (!reservations.delete(reservation.mac)) return;
      await reload(progress);
    },
    async releaseLease({ mac, ip }, progress) {
      const find = async (): Promise<Lease | undefined> =>
        (await dnsmasq.leases()).find((lease) => lease.ip === ip || lease.mac === mac);
      const lease = await find();
      if (lease === undefined) return;
      const limit = progress.child('release of a lease', RELEASE_TIMEOUT_MS);
      try {
        await serving(limit);
        const clientId = lease.clientId === '*' ? [] : [lease.clientId];
        await run('dhcp_release', [plan.bridge, lease.ip, lease.mac, ...clientId], {
          signal: limit.signal,
          code: 'network_failed',
        });
        while ((await find()) !== undefined) await pause(POLL_MS, limit.signal);
      } catch (error) {
        progress.throwIfAborted();
        log('a lease was not released and dnsmasq is started again without it', {
          ip,
          mac,
          error: String(error),
        });
        // At its start only leases with a reservation are kept.
        await dnsmasq.restart(progress);
        if ((await find()) !== undefined)
          throw new HearthError('network_failed', `the lease of ${ip} for ${mac} could not be released`);
      }
    },
    async restart(progress) {
      const instance = current;
      if (instance !== null) {
        instance.child.kill('SIGKILL');
        await withAbort(instance.exited, progress.signal);
      }
      await serving(progress);
    },
    async untilServing(progress) {
      await serving(progress);
    },
    pid: () => (current?.alive === true ? (current.child.pid ?? null) : null),
    async leases() {
      return parseLeases(await readOptionalFile(paths.leases));
    },
    fault: () => (current?.serving === true ? null : lastFault),
    async stop(progress) {
      stopping.abort();
      const instance = current;
      current = null;
      lastFault = 'dnsmasq was stopped';
      if (instance?.alive === true) {
        instance.child.kill('SIGTERM');
        const limit = startProgress({
          what: 'end of dnsmasq',
          timeoutMs: STOP_TIMEOUT_MS,
          signal: progress.signal,
        });
        try {
          await withAbort(instance.exited, limit.signal);
        } catch {
          instance.child.kill('SIGKILL');
          await instance.exited;
        }
      }
      await supervision;
    },
  };
  return dnsmasq;
}
