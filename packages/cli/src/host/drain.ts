import { drainStateSchema, HearthError, pause, startProgress, type DrainState } from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { withApi, type CommonOptions } from '../context.ts';
import { SAVED_MEMORY_TIMEOUT_MS } from '../vm/follow.ts';

export interface DrainOptions extends CommonOptions {
  hibernate?: boolean;
  off?: boolean;
  /** Seconds. */
  timeout: number;
}

const POLL_MS = 1000;
/** Idle VMs are hibernated one after the other: the host is quiet once so many looks in a row show the same. */
const QUIET_LOOKS = 3;

export async function drainHost(options: DrainOptions): Promise<void> {
  const { hibernate = false, off = false, timeout } = options;
  await withApi(options, async (api, { out, signal }) => {
    const begun = await api.call('PUT', drainStateSchema, '/api/host/drain', {
      json: { draining: !off, hibernate },
      signal,
      timeoutMs: SAVED_MEMORY_TIMEOUT_MS,
    });
    const ended = off
      ? begun
      : await untilQuiet(api, begun, {
          quietLooks: hibernate ? QUIET_LOOKS : 1,
          ...{ timeoutMs: timeout * 1000, signal, note: out.note },
        });
    if (out.json) out.value(ended);
    else out.line(renderDrain(ended, hibernate));
  });
}

interface WaitOptions {
  quietLooks: number;
  timeoutMs: number;
  signal: AbortSignal;
  note: (text: string) => void;
}

/** Waits until no VM is on its way up or down. Throws deadline_exceeded; the host goes on being drained then. */
async function untilQuiet(
  api: Api,
  begun: DrainState,
  { quietLooks, timeoutMs, signal, note }: WaitOptions,
): Promise<DrainState> {
  const progress = startProgress({ what: 'draining the host', timeoutMs, signal });
  let state = begun;
  let told = 0;
  for (let same = 1; !isQuiet(state, same >= quietLooks);) {
    if (state.starting > 0 && state.starting !== told) note(`${vms(state.starting)} on the way up or down…`);
    told = state.starting;
    if (progress.remainingMs() === 0) {
      if (state.starting === 0) return state;
      throw new HearthError(
        'deadline_exceeded',
        `${vms(state.starting)} on the way up or down after ${timeoutMs / 1000} s; the host still takes no new ones`,
        { hint: 'Wait again with `hearth host drain`, or take VMs again with `hearth host drain --off`.' },
      );
    }
    await pause(Math.min(POLL_MS, progress.remainingMs()), signal);
    const now = await api.get(drainStateSchema, '/api/host/drain', { signal });
    same = now.starting === state.starting && now.running === state.running ? same + 1 : 1;
    state = now;
  }
  return state;
}

const isQuiet = ({ starting, running }: DrainState, settled: boolean): boolean =>
  starting === 0 && (running === 0 || settled);

const vms = (count: number): string => (count === 1 ? '1 VM is' : `${count} VMs are`);

function renderDrain({ draining, running, hibernated }: DrainState, hibernate: boolean): string {
  if (!draining) return 'the host takes VMs again';
  const rest =
    running === 0
      ? 'no VM runs: nothing is lost if the machine goes down'
      : `${running} ${running === 1 ? 'VM runs' : 'VMs run'} on (hearth vm ls --all)${
          hibernate ? ': what is in use, or has a desktop' : '; --hibernate puts idle CLI VMs to sleep'
        }`;
  return [
    `the host takes no new VMs; ${hibernated} hibernated, ${rest}`,
    'stop it with: hearth down --keep-vms · take VMs again with: hearth host drain --off',
  ].join('\n');
}
