import type { Address, Config, VmId } from '@hearth/contract';
import type { ProcessIdentity } from '../exec/process-identity.ts';
import type { VmRecord } from '../journal/vm-records.ts';
import { planNetwork, type NetworkPlan } from '../network/addressing.ts';
import { vmPaths } from '../vms/vm-paths.ts';

/** What ought to be there of one VM. */
export interface ExpectedVm {
  id: VmId;
  /** Booked for it; null where it needs none now. */
  address: Address | null;
  /** Its VMM runs: TAP, pin, reservation, process, disk and console must be there. Else they may come or go at this moment. */
  running: { process: ProcessIdentity; state: UpState } | null;
  /** Files that must be there, with what each is. */
  files: { path: string; subject: 'disk' | 'console' }[];
}

/** What book and journal say that the machine should show. */
export interface Expectation {
  plan: NetworkPlan;
  vms: ExpectedVm[];
}

const UP = ['booting', 'ready', 'hibernating'] as const;
export type UpState = (typeof UP)[number];

/** The part of a record from which something is expected. */
export type ExpectingRecord = Pick<VmRecord, 'id' | 'state' | 'vmm' | 'saved' | 'address'>;

/** Pure. @param addresses what is booked, also for VMs that have no record */
export function expectationOf(
  config: Pick<Config, 'name' | 'network' | 'stateDir' | 'runDir'>,
  records: readonly ExpectingRecord[],
  addresses: readonly { vmId: VmId; address: Address }[],
): Expectation {
  const booked = new Map(addresses.map(({ vmId, address }) => [vmId, address]));
  const known = new Set(records.map(({ id }) => id));
  const vms = records.map(({ id, state, vmm, saved, address }): ExpectedVm => {
    const paths = vmPaths(config, id);
    // The record has a VMM after the TAP was made, and none before it is taken away.
    const up = UP.find((one) => one === state);
    const running = vmm === null || address === null || up === undefined ? null : { process: vmm, state: up };
    const sleeps = state === 'hibernated';
    return {
      id,
      address: booked.get(id) ?? null,
      running,
      files: [
        ...(running !== null || sleeps ? [{ path: paths.upper, subject: 'disk' as const }] : []),
        ...(sleeps && saved !== null ? [{ path: paths.savedState, subject: 'disk' as const }] : []),
        ...(running === null ? [] : [{ path: paths.console.logPath, subject: 'console' as const }]),
      ],
    };
  });
  const strangers = addresses
    .filter(({ vmId }) => !known.has(vmId))
    .map(({ vmId, address }): ExpectedVm => ({ id: vmId, address, running: null, files: [] }));
  return { plan: planNetwork(config), vms: [...vms, ...strangers] };
}
