import type { Log, VmId, VmState } from '@hearth/contract';
import type { AnyVmListener } from './vm-changes.ts';

/**
 * One line for each state that a VM comes into, and for each finding, under the request that made or took it. What was
 * ready before `sinceMs` (epoch), when this controller started, was told by the one before.
 */
export function tellStates(log: Log, sinceMs: number): AnyVmListener {
  const told = new Map<VmId, { state: VmState; foundAt: string | undefined }>();
  return (id, vm) => {
    if (vm === null) {
      told.delete(id);
      return;
    }
    const { state, requestId, kind, readyAt, failure, finding } = vm;
    const before = told.get(id);
    if (state === 'deleted') told.delete(id);
    else told.set(id, { state, foundAt: finding?.at });
    const fields = { vmId: id, requestId };
    const isOldNews =
      before === undefined && state === 'ready' && readyAt !== null && Date.parse(readyAt) < sinceMs;
    if (before?.state !== state && !isOldNews) {
      const cause =
        failure === null ? {} : { code: failure.code, layer: failure.layer, detail: failure.detail };
      log(`the VM is ${state}`, { ...fields, kind, ...cause });
    }
    if (finding !== null && before?.foundAt !== finding.at)
      log(`found: ${finding.title}`, { ...fields, cause: finding.cause, detail: finding.detail });
  };
}
