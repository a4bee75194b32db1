import type { HostVmState, VmState } from '@hearth/contract';

/**
 * What can happen to a VM.
 * accepted_by_host: the host makes it, or resumes it; host_ready: proven to answer; host_failed: with its cause;
 * host_hibernating: its memory is being saved; host_hibernated: it is saved, or a resumption failed;
 * host_gone: nothing of it is left on the host; hibernate_requested, resume_requested: by its owner, an administrator or
 * a policy; delete_requested: likewise.
 */
export const vmEvents = [
  'accepted_by_host',
  'host_ready',
  'host_hibernating',
  'host_hibernated',
  'host_failed',
  'host_gone',
  'hibernate_requested',
  'resume_requested',
  'delete_requested',
] as const;
export type VmEvent = (typeof vmEvents)[number];

/**
 * state × event → state; an event that isn't listed changes nothing.
 * `requested` + host_gone is silence on purpose: the host was not told of it yet.
 * `ready` + accepted_by_host: it is restarted, by its owner or by the host's watchdog.
 * `hibernating` + host_ready: it didn't work out, and the VM goes on. `hibernated` + accepted_by_host or host_ready: the host
 * resumes it although the call that asked for it broke.
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
    host_hibernated: 'hibernated',
    host_failed: 'failed',
    host_gone: 'failed',
    delete_requested: 'deleting',
  },
  ready: {
    accepted_by_host: 'starting',
    hibernate_requested: 'hibernating',
    host_hibernating: 'hibernating',
    host_hibernated: 'hibernated',
    host_failed: 'failed',
    host_gone: 'failed',
    delete_requested: 'deleting',
  },
  hibernating: {
    host_ready: 'ready',
    host_hibernated: 'hibernated',
    host_failed: 'failed',
    host_gone: 'failed',
    delete_requested: 'deleting',
  },
  hibernated: {
    resume_requested: 'starting',
    accepted_by_host: 'starting',
    host_ready: 'ready',
    host_failed: 'failed',
    host_gone: 'failed',
    delete_requested: 'deleting',
  },
  failed: { delete_requested: 'deleting' },
  deleting: { host_gone: 'deleted' },
  deleted: {},
};

export const nextState = (state: VmState, event: VmEvent): VmState => vmStateTable[state][event] ?? state;

const hostEvents: Readonly<Record<HostVmState, VmEvent | null>> = {
  creating: 'accepted_by_host',
  booting: 'accepted_by_host',
  ready: 'host_ready',
  hibernating: 'host_hibernating',
  hibernated: 'host_hibernated',
  failed: 'host_failed',
  deleting: null,
  gone: 'host_gone',
};

/** What a state seen on the host means; null where it means nothing by itself. */
export const eventOf = (state: HostVmState): VmEvent | null => hostEvents[state];
