import type { GuestAddress, GuestReport, ServiceState } from '@hearth/contract';
import type { GuestSystem } from './guest-system.ts';

/** The guest's own view of itself, for `why`. */
export async function makeReport(
  system: GuestSystem,
  readAddresses: () => Promise<GuestAddress[]>,
  services: ServiceState[],
  now: () => number = Date.now,
): Promise<GuestReport> {
  const [machineId, bootId, addresses, failedUnits, memAvailableMiB] = await Promise.all([
    system.machineId(),
    system.bootId(),
    readAddresses(),
    system.failedUnits(),
    system.memAvailableMiB(),
  ]);
  return {
    hostname: system.hostname(),
    machineId,
    bootId,
    addresses,
    services,
    failedUnits,
    memAvailableMiB,
    timeMs: now(),
  };
}
