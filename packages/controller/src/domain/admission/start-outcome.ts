import { HearthError, hintFor, type Breaker, type ErrorCode } from '@hearth/contract';
import type { VmRecord } from '../vms/vm-record.ts';
import type { StartOutcome } from './breaker.ts';

/** The request id of VMs that are made to find out whether VMs start again; nobody gets them. */
export const PROBE_REQUEST_ID = 'breaker-probe';

export const isProbe = ({ userId, requestId }: VmRecord): boolean =>
  userId === null && requestId === PROBE_REQUEST_ID;

/** Failures that say nothing about whether VMs start: of the call, of room, of what was saved, of a host that was away. */
const saysNothing: readonly ErrorCode[] = [
  'bad_request',
  'not_found',
  'conflict',
  'quota_exceeded',
  'creation_paused',
  'host_draining',
  'capacity_exceeded',
  'addresses_exhausted',
  'disk_full',
  'image_missing',
  'snapshot_invalid',
  'not_hibernatable',
  'vm_deleted',
  'vm_lost',
  'host_unreachable',
  'shutting_down',
  'aborted',
];

/** How the VM's last start ended: creation, resumption or restart; null where it goes on, or its end says nothing. */
export function startOutcomeOf(vm: VmRecord): StartOutcome | null {
  const { id: vmId, kind, readyAt, askedAt, failure, finding, timeline } = vm;
  const probe = isProbe(vm);
  if (readyAt !== null) {
    // What is older is of an earlier start: this one was refused.
    if (readyAt < askedAt) return null;
    // When a VM that waited became ready is forgotten; it was soon after it was asked for.
    const taken = timeline.phases.some(({ phase }) => phase === 'taken');
    return { vmId, start: askedAt, atMs: Date.parse(taken ? askedAt : readyAt), failed: null, probe };
  }
  if (failure === null || saysNothing.includes(failure.code)) return null;
  // A resumption that was refused leaves the failure of the one before: its time tells them apart.
  const { at } = failure;
  return { vmId, start: at, atMs: Date.parse(at), failed: { vmId, kind, failure, finding }, probe };
}

/** What whoever asks for a VM is told while the breaker isn't closed. */
export function creationPaused({ failures, successes, reason, probeVmId }: Breaker): HearthError {
  const last =
    reason === null
      ? ''
      : `; the last one, ${reason.vmId}: ${reason.failure.title}: ${reason.failure.detail}` +
        (reason.finding === null ? '' : ` – ${reason.finding.title}: ${reason.finding.detail}`);
  const trial = probeVmId === null ? '' : `; ${probeVmId} is being tried now`;
  const hint = reason?.finding == null ? {} : { hint: hintFor(reason.finding.hint, reason.vmId) };
  return new HearthError(
    'creation_paused',
    `${failures} of the last ${failures + successes} starts failed${last}${trial}`,
    reason === null ? {} : { vmId: reason.vmId, ...hint },
  );
}
