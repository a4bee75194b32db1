import type { HostVmState, VmState } from '@hearth/contract';

/**
 * What can happen to a VM.
 * accepted_by_host: the host makes it; host_ready: proven to answer; host_failed: with its cause;
 * host_gone: nothing of it is left on the host; delete_requested: by its owner or an administrator.
 */
export const vmEvents = [
  'accepted_by_host',
  'host_ready',
  'host_failed',
  'host_gone',
  'delete_requested',
] as const;
export type VmEvent = (typeof vmEvents)[number];

/**
 * state × event → state; an event that isn't listed changes nothing.
 * `requested` + host_gone is silence on purpose: the host was not told of it yet.
 * `failed` keeps its outcome (F22): only deletion leads on. `deleted` is terminal.
 */
export const vmStateTable: Readonly<Record<VmState, Readonly<Partial<Record<VmEvent, VmState>>>>> = {
  requested: {
    accepted_by_host: 'starting',
    host_ready: 'ready',
    host_failed: 'failed',
    delete_requested: 'deleting',
  },
  starting: {
    host_ready: 'ready',
    host_failed: 'failed',
    host_gone: 'failed',
    delete_requested: 'deleting',
  },
  ready: { host_failed: 'failed', host_gone: 'failed', delete_requested: 'deleting' },
  failed: { delete_requested: 'deleting' },
  deleting: { host_gone: 'deleted' },
  deleted: {},
};

export const nextState = (state: VmState, event: VmEvent): VmState => vmStateTable[state][event] ?? state;

const hostEvents: Readonly<Record<HostVmState, VmEvent | null>> = {
  creating: 'accepted_by_host',
  booting: 'accepted_by_host',
  ready: 'host_ready',
  failed: 'host_failed',
  deleting: null,
  gone: 'host_gone',
};

/** What a state seen on the host means; null where it means nothing by itself. */
export const eventOf = (state: HostVmState): VmEvent | null => hostEvents[state];
