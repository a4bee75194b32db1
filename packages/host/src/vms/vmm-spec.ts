import { HearthError, type Address, type ImageManifest } from '@hearth/contract';
import type { VmRecord } from '../journal/vm-records.ts';
import type { VmmSpec } from '../vmm/vmm.ts';
import type { VmPaths } from './vm-paths.ts';

/** What the VMM is told. Pure. */
export function vmmSpec(
  record: VmRecord,
  address: Address,
  manifest: ImageManifest,
  paths: VmPaths,
  furtherKernelArguments: readonly string[],
): VmmSpec {
  const layer = (role: 'base' | 'agent'): string => {
    const found = manifest.layers.find((candidate) => candidate.role === role);
    if (found === undefined)
      throw new HearthError('image_missing', `image ${manifest.id} has no ${role} layer`);
    return found.path;
  };
  return {
    vmId: record.id,
    cpus: record.cpus,
    memMiB: record.memMiB,
    memory: record.memory,
    kernelPath: manifest.kernel.path,
    initrdPath: manifest.initrd.path,
    // No `ip=`: a second source of network configuration fought DHCP in the old system (F1).
    kernelArguments: [
      'quiet',
      'net.ifnames=0',
      `systemd.machine_id=${address.machineId}`,
      `systemd.hostname=${address.hostname}`,
      `hearth.kind=${record.kind}`,
      `hearth.vm=${record.id}`,
      ...furtherKernelArguments,
    ],
    drives: [
      { id: 'base', path: layer('base'), readOnly: true },
      { id: 'agent', path: layer('agent'), readOnly: true },
      { id: 'upper', path: paths.upper, readOnly: false },
    ],
    tap: address.tap,
    mac: address.mac,
    consolePath: paths.console.logPath,
    controlSocketPath: paths.control,
    monitorSocketPath: paths.monitor,
    logPath: paths.vmmLog,
    pidPath: paths.pid,
    saveSocketPath: paths.saveSocket,
  };
}
