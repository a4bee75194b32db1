import type { VmmSpec } from '../vmm.ts';

export interface QemuMachine {
  accelerator: 'kvm' | 'tcg';
  /** Time stamp counter of the host in kHz: without it a microvm hangs before any output under emulation. */
  tscKhz: number;
  /** QEMU becomes this user once its files are open. */
  vmmUser: string | null;
}

/** Machine and CPU as QEMU is told; a snapshot fits only the same. */
export const machineModel = (accelerator: QemuMachine['accelerator']): { machine: string; cpu: string } => ({
  machine: 'microvm,acpi=on,rtc=on,pic=on,pit=on,usb=off,isa-serial=on',
  cpu: accelerator === 'kvm' ? 'host' : 'max',
});

/** MiB of translated code that emulation keeps; QEMU's own default lets a desktop VM grow to 1.9 GB. */
export const TRANSLATION_CACHE_MIB = 256;

/**
 * The command line of QEMU's microvm machine, as measured in the design notes. Pure.
 */
export function qemuArguments(spec: VmmSpec, { accelerator, tscKhz, vmmUser }: QemuMachine): string[] {
  const { machine, cpu } = machineModel(accelerator);
  const timing = accelerator === 'tcg' ? [`tsc_early_khz=${tscKhz}`, 'tsc=reliable'] : [];
  return [
    ...['-name', `hearth-${spec.vmId}`],
    ...['-M', `${machine},memory-backend=ram`, '-cpu', cpu],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : `tcg,thread=multi,tb-size=${TRANSLATION_CACHE_MIB}`],
    ...['-object', memoryBackend(spec)],
    ...['-smp', String(spec.cpus), '-m', `${spec.memMiB}M`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-sandbox', 'on,obsolete=deny,spawn=deny,resourcecontrol=deny'],
    ...(vmmUser === null ? [] : ['-runas', vmmUser]),
    ...['-pidfile', spec.pidPath],
    ...['-chardev', `file,id=console,path=${spec.consolePath},append=on`, '-serial', 'chardev:console'],
    ...['-kernel', spec.kernelPath, '-initrd', spec.initrdPath],
    ...['-append', ['console=ttyS0', 'reboot=t', 'panic=-1', ...timing, ...spec.kernelArguments].join(' ')],
    // auto-read-only: before a save QEMU would open the disk anew, read-only, which its user may not, and fail.
    ...spec.drives.flatMap(({ id, path, readOnly }) => [
      '-drive',
      `id=${id},file=${path},format=raw,if=none,readonly=${readOnly ? 'on' : 'off'},cache=writeback,discard=unmap,${readOnly ? 'file.locking=off' : 'auto-read-only=off'}`,
      '-device',
      `virtio-blk-device,drive=${id},serial=${id}`,
    ]),
    ...[
      '-netdev',
      `tap,id=net0,ifname=${spec.tap},script=no,downscript=no`,
      '-device',
      `virtio-net-device,netdev=net0,mac=${spec.mac}`,
    ],
    ...['-device', 'virtio-rng-device'],
    ...[
      '-device',
      'virtio-serial-device',
      '-chardev',
      `socket,id=control,path=${spec.controlSocketPath},server=on,wait=off`,
    ],
    ...['-device', 'virtserialport,chardev=control,name=hearth.control.0'],
    ...['-qmp', `unix:${spec.monitorSocketPath},server=on,wait=off`],
  ];
}

/** The same id wherever the memory lies: a state file names it. */
function memoryBackend({ memMiB, memory }: VmmSpec): string {
  if (memory === null) return `memory-backend-ram,id=ram,size=${memMiB}M`;
  return `memory-backend-file,id=ram,size=${memMiB}M,mem-path=${memory.path},share=${memory.shared ? 'on' : 'off'}`;
}
