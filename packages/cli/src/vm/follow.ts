import {
  fromProblem,
  errorTable,
  HearthError,
  hintFor,
  pause,
  startProgress,
  vmEventSchema,
  vmIdSchema,
  type BootPhase,
  type Finding,
  type PhaseMark,
  type Vm,
  type VmId,
  type VmState,
} from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { readServerSentEvents } from '../api/server-sent-events.ts';
import { plainLine } from '../terminal/plain-text.ts';

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
  const told = { startedAt: '', phases: new Set<BootPhase>() };
  const tell = (vm: Vm): void => {
    // A resumption begins its timeline anew.
    if (told.startedAt !== vm.timeline.startedAt)
      Object.assign(told, { startedAt: vm.timeline.startedAt, phases: new Set() });
    for (const mark of newPhases(vm, told.phases)) {
      told.phases.add(mark.phase);
      onPhase?.(mark, vm);
    }
  };
  for (;;) {
    const { body } = await api.open('GET', `/api/vms/${id}/events`, { signal: progress.signal });
    try {
      for await (const { vm } of readServerSentEvents(body, vmEventSchema)) {
        tell(vm);
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

/** By time: a mark may be told after one that is later. */
const newPhases = ({ timeline }: Vm, told: ReadonlySet<BootPhase>): PhaseMark[] =>
  timeline.phases.filter(({ phase }) => !told.has(phase)).toSorted((a, b) => a.atMs - b.atMs);

/** The stored cause of a failed VM, or of a failed resumption, as an error of ours; with what `why` found. */
export function failureError(vm: Pick<Vm, 'id' | 'failure' | 'finding'>): HearthError {
  const { failure, finding } = vm;
  if (failure === null)
    return new HearthError('guest_not_ready', `${vm.id} failed, and no cause was stored`, {
      vmId: vm.id,
      ...(finding === null ? {} : { hint: foundHint(vm.id, finding) }),
    });
  return fromProblem({
    ...failure,
    type: `urn:hearth:error:${failure.code}`,
    status: errorTable[failure.code].status,
    retryable: errorTable[failure.code].retryable,
    detail: `${vm.id}: ${failure.detail}${finding === null ? '' : foundWords(finding, failure.detail)}`,
    hint: finding === null ? consoleHint(vm.id, failure.hint) : foundHint(vm.id, finding),
    vmId: vm.id,
  });
}

/** Its detail where the failure doesn't say the same. */
const foundWords = ({ title, layer, detail }: Finding, failed: string): string =>
  `. Found (${layer}): ${title}${detail === '' || failed.includes(detail) ? '' : `: ${plainLine(detail)}`}`;

const foundHint = (vmId: string, { hint }: Finding): string =>
  `${hintFor(hint, vmId)} All layers: hearth why ${vmId}`;

const consoleHint = (vmId: string, hint: string): string =>
  hint.includes('vm console') ? hint : `${hint} The console: hearth vm console ${vmId}`;

/** A boot's own deadline is the controller's; this one only keeps us from waiting for ever. */
export const BOOT_TIMEOUT_MS = 20 * 60_000;

/** An answer that waits until memory was saved or resumed: gigabytes go to or come from a disk that may be slow. */
export const SAVED_MEMORY_TIMEOUT_MS = 5 * 60_000;

/** Follows a VM until it is ready; throws the cause where it fails, or is hibernated again because its resumption failed. */
export async function untilReady(api: Api, id: VmId, options: Omit<FollowOptions, 'timeoutMs'>): Promise<Vm> {
  const vm = await followVm(api, id, ['ready', 'hibernated', 'failed', 'deleting', 'deleted'], {
    ...options,
    timeoutMs: BOOT_TIMEOUT_MS,
  });
  if (vm.state === 'ready') return vm;
  if (vm.state === 'failed' || vm.failure !== null) throw failureError(vm);
  if (vm.state === 'hibernated')
    throw new HearthError('vm_hibernated', `${id} was hibernated before it was ready`, { vmId: id });
  throw new HearthError('vm_deleted', `${id} was deleted before it was ready`, { vmId: id });
}
