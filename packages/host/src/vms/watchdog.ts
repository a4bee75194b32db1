import { asHearthError, startProgress, type Config, type Log, type VmId } from '@hearth/contract';
import type { LiveVm } from './live-vm.ts';
import { afterLook, noSilence, type Silence } from './silence.ts';

export interface WatchdogDeps {
  config: Config;
  /** The VMs of this host, in whatever state. */
  vms: () => Iterable<LiveVm>;
  /** VMs with whose network something is known to be wrong that could not be repaired. */
  suspects: () => ReadonlySet<VmId>;
  /** How many times slower than hardware guests are here. */
  slowness: () => Promise<number>;
  /** Monotonic milliseconds. */
  now?: () => number;
  log: Log;
}

/** Asks every ready VM now and then whether it is awake, and does with those that aren't what their kind's policy says. */
export interface Watchdog {
  /** Looks at all of them once. */
  round(): Promise<void>;
  /** Looks now and then, until it is stopped. */
  start(): void;
  stop(): Promise<void>;
  /** Restarts for silence since this daemon started. */
  readonly restarts: number;
}

/** On hardware; a slower guest gets more. */
const PING_TIMEOUT_MS = 3000;

export function createWatchdog({
  config,
  vms,
  suspects,
  slowness,
  now = () => performance.now(),
  log,
}: WatchdogDeps): Watchdog {
  const { periodSeconds, graceSeconds, maxRestarts } = config.vms.watchdog;
  const silences = new Map<VmId, Silence>();
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let busy = false;
  let restarts = 0;

  const answers = async (vm: LiveVm, timeoutMs: number): Promise<boolean> => {
    const what = `asking ${vm.record.id} whether it is awake`;
    const progress = startProgress({ what, timeoutMs, signal: ended.signal });
    try {
      await vm.health.ping(progress);
      return true;
    } catch {
      // How long it has been silent counts, not one answer that did not come; what is wrong with it tells its diagnosis.
      return false;
    } finally {
      // Hundreds of deadlines that go by for nothing are most of what an idle daemon does.
      progress.end();
    }
  };

  const lookAt = async (vm: LiveVm, slow: number, suspected: boolean): Promise<void> => {
    const { id, kind } = vm.record;
    const answered = await answers(vm, PING_TIMEOUT_MS * slow);
    if (vm.record.state !== 'ready' || ended.signal.aborted) return;
    const before = silences.get(id) ?? { ...noSilence, told: vm.record.finding !== null };
    const { silence, act } = afterLook(before, {
      ...{ nowMs: now(), answered, maxRestarts, policy: config.vms[kind].onUnresponsive },
      well: answered && !suspected && vm.health.servicesRun(),
      graceMs: graceSeconds * 1000 * slow,
    });
    silences.set(id, silence);
    if (act === 'none') return;
    if (act === 'clear') {
      log('a VM is well again', { vmId: id });
      await vm.health.tell(null);
      return;
    }
    const why = await vm.health.diagnose('unhealthy', ended.signal);
    log('a VM is unhealthy', { vmId: id, cause: why.finding?.cause ?? 'unknown', summary: why.summary, act });
    await vm.health.tell(why);
    if (act === 'restart') {
      restarts += 1;
      await vm.restart({ requestedAtMs: Date.now(), requestId: 'watchdog' });
    }
    if (act === 'fail') await vm.giveUp(why);
  };

  const round = async (): Promise<void> => {
    const slow = await slowness();
    const suspected = suspects();
    const all = [...vms()];
    const ready = all.filter(({ record }) => record.state === 'ready');
    const known = new Set(all.map(({ record }) => record.id));
    for (const id of silences.keys()) if (!known.has(id)) silences.delete(id);
    await Promise.all(
      ready.map(async (vm) => {
        try {
          await lookAt(vm, slow, suspected.has(vm.record.id));
        } catch (error) {
          if (!ended.signal.aborted)
            log('the watchdog could not help a VM', {
              vmId: vm.record.id,
              error: asHearthError(error).message,
            });
        }
      }),
    );
  };

  const tick = (): void => {
    if (busy) return;
    busy = true;
    running = round()
      .catch((error: unknown) => log('the watchdog failed', { error: String(error) }))
      .finally(() => {
        busy = false;
      });
  };

  return {
    round,
    start: () => {
      if (periodSeconds === 0) return;
      timer = setInterval(tick, periodSeconds * 1000);
      timer.unref();
    },
    stop: async () => {
      clearInterval(timer);
      ended.abort();
      await running;
    },
    get restarts() {
      return restarts;
    },
  };
}
