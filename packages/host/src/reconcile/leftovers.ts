import type { Address, Leftover, VmId } from '@hearth/contract';
import type { ProcessIdentity } from '../exec/process-identity.ts';
import { unheld } from '../network/address-book.ts';
import { TAP_PREFIX } from '../network/addressing.ts';
import { pinText } from '../network/firewall.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { ExpectingRecord } from './expectation.ts';
import type { OwnedFile } from './owned-files.ts';
import type { OwnProcess } from './own-processes.ts';

/** What there is of this Hearth on the machine. */
export interface SweepSight {
  processes: readonly OwnProcess[];
  network: NetworkSight;
  files: readonly OwnedFile[];
  cgroups: readonly string[];
}

/** What is written down at one moment. */
export interface Written {
  records: readonly Pick<ExpectingRecord, 'id' | 'state' | 'vmm' | 'address'>[];
  addresses: readonly { vmId: VmId; address: Address }[];
  /** Of the dnsmasq that is in use. */
  dnsmasqPid: number | null;
}

/** Something without a record, and what removes it. */
export type Trace = Pick<Leftover, 'kind' | 'name' | 'detail'> &
  (
    | { kind: 'process' | 'dnsmasq'; process: ProcessIdentity; vmId: VmId | null }
    | { kind: 'tap' | 'pin' | 'reservation' | 'lease' }
    | { kind: 'address'; vmId: VmId; address: Address }
    | { kind: OwnedFile['kind']; vmId: VmId }
    | { kind: 'cgroup' }
  );

const NO_RECORD = 'no VM of this id is written down';
/** In these a VM has the VMM of its record, or none. */
const SETTLED: readonly ExpectingRecord['state'][] = ['ready', 'hibernating', 'hibernated', 'failed'];

/**
 * What no record speaks of, neither of before the look nor of after it: so nothing that is just being made or taken away. In the
 * order in which it is removed: an address is free only once nothing uses it (F17). Pure.
 */
export function findLeftovers(
  moments: readonly Written[],
  seen: SweepSight,
  consolesBeforeMs: number,
): Trace[] {
  const known = new Set(moments.flatMap(({ records }) => records.map(({ id }) => id)));
  const strays = strayAddresses(moments);
  const stray = new Set(strays.map(({ vmId }) => vmId));
  const addresses = moments
    .flatMap(({ addresses: booked }) => booked)
    .flatMap(({ vmId, address }) => (stray.has(vmId) ? [] : [address]));
  return [
    ...strayProcesses(moments, known, seen),
    ...strays,
    ...strayNetwork(addresses, seen.network),
    ...seen.files.flatMap(({ kind, path, vmId, changedMs }): Trace[] => {
      if (known.has(vmId) || (kind === 'console' && changedMs >= consolesBeforeMs)) return [];
      const detail =
        kind === 'console' ? `it was kept since ${new Date(changedMs).toISOString()}` : NO_RECORD;
      return [{ kind, name: path, detail, vmId }];
    }),
    ...seen.cgroups.flatMap((name): Trace[] =>
      (known as ReadonlySet<string>).has(name) ? [] : [{ kind: 'cgroup', name, detail: NO_RECORD }],
    ),
  ];
}

function strayProcesses(
  moments: readonly Written[],
  known: ReadonlySet<VmId>,
  { processes }: SweepSight,
): Trace[] {
  const ours = new Set(moments.flatMap(({ dnsmasqPid }) => dnsmasqPid ?? []));
  return processes.flatMap((found): Trace[] => {
    const { pid, startTicks } = found;
    const base = { name: String(pid), process: { pid, startTicks } };
    if (found.type === 'dnsmasq') {
      // A child of ours answers one connection over TCP.
      if (ours.has(pid) || ours.has(found.parentPid)) return [];
      return [
        {
          ...base,
          kind: 'dnsmasq',
          vmId: null,
          detail: 'it serves this Hearth’s files, and is not the one in use',
        },
      ];
    }
    const { vmId } = found;
    const trace = (detail: string): Trace[] => [
      { ...base, kind: 'process', vmId, detail: `a VMM of ${vmId}: ${detail}` },
    ];
    if (!known.has(vmId)) return trace(NO_RECORD);
    const mayBe = moments
      .flatMap(({ records }) => records.filter(({ id }) => id === vmId))
      .some(({ state, vmm }) => !SETTLED.includes(state) || vmm?.pid === pid);
    return mayBe ? [] : trace('its record has another VMM, or none');
  });
}

/** Booked at each of the moments, and held by no record at any. */
function strayAddresses(moments: readonly Written[]): Extract<Trace, { kind: 'address' }>[] {
  const [first, ...others] = moments.map(({ addresses, records }) => unheld(addresses, records));
  return (first ?? [])
    .filter(({ vmId }) => others.every((free) => free.some((one) => one.vmId === vmId)))
    .map(({ vmId, address }) => ({
      ...{ kind: 'address', name: address.ip, vmId, address },
      detail: `booked for ${vmId}, whose record doesn’t hold it`,
    }));
}

function strayNetwork(addresses: readonly Address[], network: NetworkSight): Trace[] {
  const taps = new Set(addresses.map(({ tap }) => tap));
  const pins = new Set(addresses.map(pinText));
  const pairs = new Set(addresses.map(({ mac, ip }) => `${mac} ${ip}`));
  const detail = 'no VM has such an address';
  const stray = (
    kind: 'tap' | 'pin' | 'reservation' | 'lease',
    names: string[],
    mine: ReadonlySet<string>,
  ): Trace[] => names.filter((name) => !mine.has(name)).map((name) => ({ kind, name, detail }));
  const pair = ({ mac, ip }: { mac: string; ip: string }): string => `${mac} ${ip}`;
  return [
    ...stray(
      'tap',
      network.links.map(({ name }) => name).filter((name) => name.startsWith(TAP_PREFIX)),
      taps,
    ),
    // Half a pin of a VM of ours is drift, which the reconciler repairs.
    ...stray(
      'pin',
      network.pins.filter((pin) => !taps.has(pin.split(' ')[0] ?? '')),
      pins,
    ),
    ...stray('reservation', network.reservations.map(pair), pairs),
    ...stray('lease', network.leases.map(pair), pairs),
  ];
}

/** What of the network is still there, as `kind name`. */
export const networkTraces = (network: NetworkSight): Set<string> =>
  new Set(strayNetwork([], network).map(({ kind, name }) => `${kind} ${name}`));
