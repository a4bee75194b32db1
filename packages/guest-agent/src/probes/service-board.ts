import { isUp, pause, type Log, type ServiceState } from '@hearth/contract';
import { describeError } from '../log.ts';
import type { Probe } from './probe.ts';
import { cpuUsage } from 'node:process';

export interface ServiceBoardOptions {
  probes: Probe[];
  agentDetail: string;
  onChange: (services: ServiceState[]) => void;
  log: Log;
  searchMs?: number;
  watchMs?: number;
  timeoutMs?: number;
}

export interface ServiceBoard {
  services(): ServiceState[];
  /** Probes all at once, as something changed. */
  look(): void;
  stop(): void;
}

const SEARCH_MS = 500;
const WATCH_MS = 10_000;
const CHECK_TIMEOUT_MS = 5000;
/** Between two checks passes at least so many times the processor time that the agent used during the last one. */
const REST_FACTOR = 4;

/**
 * Keeps the state of each service by probing it: often until it runs, then now and then. `starting` until it was first seen
 * running, `failed` where it ran and no longer does.
 */
export function startServiceBoard({
  probes,
  agentDetail,
  onChange,
  log,
  searchMs = SEARCH_MS,
  watchMs = WATCH_MS,
  timeoutMs = CHECK_TIMEOUT_MS,
}: ServiceBoardOptions): ServiceBoard {
  const stopped = new AbortController();
  const board: ServiceState[] = [
    { name: 'agent', state: 'running', detail: agentDetail },
    ...probes.map(({ name }): ServiceState => ({ name, state: 'starting', detail: 'not probed yet' })),
  ];
  const isStopped = (): boolean => stopped.signal.aborted;
  const services = (): ServiceState[] => board.map((service) => ({ ...service }));

  let cameUp = new AbortController();
  const set = (index: number, next: ServiceState): void => {
    const last = board[index];
    if (last === undefined || (last.state === next.state && last.detail === next.detail)) return;
    board[index] = next;
    if (last.state !== next.state) log('service', { ...next });
    onChange(services());
    if (isUp(next) && !isUp(last)) {
      // Who waits for it need not wait out its rest.
      const earlier = cameUp;
      cameUp = new AbortController();
      earlier.abort();
    }
  };
  const runs = (name: ServiceState['name']): boolean =>
    board.some((service) => service.name === name && isUp(service));
  let asked = new AbortController();
  /** Ends early when somebody asks to look. */
  const rest = async (ms: number, round: AbortSignal): Promise<void> => {
    await pause(ms, AbortSignal.any([stopped.signal, round])).catch((error: unknown) => {
      if (isStopped()) throw error;
    });
  };
  const watch = async (probe: Probe, index: number): Promise<void> => {
    let everRan = false;
    while (!isStopped()) {
      let running = false;
      // Taken before the look: who asks during it asks for another one.
      const round = asked.signal;
      const another = cameUp.signal;
      const before = cpuUsage();
      try {
        if ((await probe.isFrozen?.()) === true) {
          // Until it answers after the thaw it is not failed, but on its way.
          everRan = false;
          set(index, { name: probe.name, state: 'frozen', detail: 'until somebody looks' });
          await rest(watchMs, round);
          continue;
        }
        const missing = everRan ? undefined : probe.after?.find((name) => !runs(name));
        if (missing !== undefined) {
          set(index, { name: probe.name, state: 'starting', detail: `waits for ${missing}` });
          await rest(searchMs, AbortSignal.any([round, another]));
          continue;
        }
        const detail = await probe.check(AbortSignal.any([stopped.signal, AbortSignal.timeout(timeoutMs)]));
        running = true;
        everRan = true;
        set(index, { name: probe.name, state: 'running', detail });
      } catch (error) {
        if (isStopped()) return;
        set(index, {
          name: probe.name,
          state: everRan ? 'failed' : 'starting',
          detail: describeError(error),
        });
      }
      // Where a check costs a slow guest much, looking must not be what keeps it busy. (Waiting for an answer costs nothing.)
      const { user, system } = cpuUsage(before);
      const restMs = ((user + system) / 1000) * REST_FACTOR;
      await rest(Math.max(running ? watchMs : searchMs, restMs), round);
    }
  };
  probes.forEach((probe, index) => {
    // Ends by the abort of its pause.
    watch(probe, index + 1).catch((error: unknown) => {
      if (!isStopped()) log('probe ended', { name: probe.name, error: describeError(error) });
    });
  });

  return {
    services,
    look: () => {
      const earlier = asked;
      asked = new AbortController();
      earlier.abort();
    },
    stop: () => stopped.abort(),
  };
}
