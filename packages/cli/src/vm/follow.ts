import {
  fromProblem,
  errorTable,
  HearthError,
  pause,
  startProgress,
  vmEventSchema,
  vmIdSchema,
  type Failure,
  type PhaseMark,
  type Vm,
  type VmId,
  type VmState,
} from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { readServerSentEvents } from '../api/server-sent-events.ts';

export interface FollowOptions {
  signal: AbortSignal;
  /** Ends the wait whatever the controller says; its own deadline for a boot comes first. */
  timeoutMs: number;
  onPhase?: (phase: PhaseMark, vm: Vm) => void;
}

/** Checks an id before it goes into a path. */
export function parseVmId(text: string): VmId {
  const parsed = vmIdSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new HearthError('bad_request', `"${text}" is not the id of a VM: expected vm- and 12 characters`, {
    hint: '`hearth vm ls` lists the ids.',
  });
}

/** Follows a VM until it is in one of the states. The stream is opened again where it breaks. */
export async function followVm(
  api: Api,
  id: VmId,
  until: readonly VmState[],
  { signal, timeoutMs, onPhase }: FollowOptions,
): Promise<Vm> {
  const progress = startProgress({
    what: `waiting for ${id} to be ${until.join(' or ')}`,
    timeoutMs,
    signal,
  });
  let seenPhases = 0;
  for (;;) {
    const { body } = await api.open('GET', `/api/vms/${id}/events`, { signal: progress.signal });
    try {
      for await (const { vm } of readServerSentEvents(body, vmEventSchema)) {
        for (const phase of vm.timeline.phases.slice(seenPhases)) onPhase?.(phase, vm);
        seenPhases = vm.timeline.phases.length;
        if (until.includes(vm.state)) return vm;
        if (vm.state === 'deleted') throw new HearthError('vm_deleted', `${id} was deleted`, { vmId: id });
      }
    } catch (error) {
      progress.throwIfAborted();
      // A broken connection is worth another try: opening anew says at once whether the controller lives.
      if (!(error instanceof HearthError) || error.code !== 'controller_unreachable') throw error;
    }
    await pause(200, progress.signal);
  }
}

/** The stored cause of a failed VM as an error of ours. */
export function failureError(vm: Pick<Vm, 'id' | 'failure'>): HearthError {
  const failure: Failure | null = vm.failure;
  if (failure === null)
    return new HearthError('guest_not_ready', `${vm.id} failed, and no cause was stored`, { vmId: vm.id });
  return fromProblem({
    ...failure,
    type: `urn:hearth:error:${failure.code}`,
    status: errorTable[failure.code].status,
    retryable: errorTable[failure.code].retryable,
    detail: `${vm.id}: ${failure.detail}`,
    hint: failure.hint.includes('vm console')
      ? failure.hint
      : `${failure.hint} The console: hearth vm console ${vm.id}`,
    vmId: vm.id,
  });
}

/** A boot's own deadline is the controller's; this one only keeps us from waiting for ever. */
export const BOOT_TIMEOUT_MS = 20 * 60_000;

/** Follows a VM until it is ready; throws the cause where it fails. */
export async function untilReady(api: Api, id: VmId, options: Omit<FollowOptions, 'timeoutMs'>): Promise<Vm> {
  const vm = await followVm(api, id, ['ready', 'failed', 'deleting', 'deleted'], {
    ...options,
    timeoutMs: BOOT_TIMEOUT_MS,
  });
  if (vm.state === 'failed') throw failureError(vm);
  if (vm.state !== 'ready')
    throw new HearthError('vm_deleted', `${id} was deleted before it was ready`, { vmId: id });
  return vm;
}
