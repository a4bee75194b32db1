import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONSOLE_PHASE_PREFIX, HearthError, pause, startProgress, type Log } from '@hearth/contract';
import { startDetached } from '../exec/daemon.ts';
import { identifyProcess, isAlive, signalProcess } from '../exec/process-identity.ts';

export interface AcceleratorProbe {
  accelerator: 'kvm' | 'tcg';
  /** How many times slower than a machine with KVM a boot is; deadlines are multiplied by it. */
  slowness: number;
  detail: string;
}

/** From start of QEMU to the first line of our initramfs where KVM works (ms; the unit of `slowness`). */
const REFERENCE_MS = 250;
const KVM_PROBE_TIMEOUT_MS = 8000;
const TCG_PROBE_TIMEOUT_MS = 60_000;

/** Time stamp counter in kHz: half of what the kernel calls bogomips, in thousands. */
export async function readTscKhz(): Promise<number> {
  const info = await readFile('/proc/cpuinfo', 'utf8');
  const bogomips = /^bogomips\s*:\s*([\d.]+)/m.exec(info)?.[1];
  return bogomips === undefined ? (cpus()[0]?.speed ?? 2000) * 1000 : Math.round(Number(bogomips) * 500);
}

/**
 * Boots kernel and initramfs of an image up to the first line: the file /dev/kvm alone proves nothing.
 * Throws HearthError vmm_failed where neither KVM nor emulation gets there.
 */
export async function probeAccelerator(
  image: { kernelPath: string; initrdPath: string },
  wanted: 'auto' | 'kvm' | 'tcg',
  log: Log,
): Promise<AcceleratorProbe> {
  const tscKhz = await readTscKhz();
  const kvmMs =
    wanted === 'tcg'
      ? null
      : await bootMs(image, ['-accel', 'kvm', '-cpu', 'host'], '', KVM_PROBE_TIMEOUT_MS);
  if (kvmMs !== null)
    return {
      accelerator: 'kvm',
      slowness: slownessOf(kvmMs),
      detail: `a probe boot with KVM took ${kvmMs.toFixed(0)} ms`,
    };
  if (wanted === 'kvm')
    throw new HearthError(
      'vmm_failed',
      'vms.accelerator is kvm, and a probe boot with KVM did not reach the initramfs',
    );
  const tcgMs = await bootMs(
    image,
    ['-accel', 'tcg,thread=multi,tb-size=64', '-cpu', 'max'],
    `tsc_early_khz=${tscKhz} tsc=reliable`,
    TCG_PROBE_TIMEOUT_MS,
  );
  if (tcgMs === null)
    throw new HearthError('vmm_failed', 'a probe boot under emulation did not reach the initramfs either');
  log('no KVM that boots a kernel: VMs run under software emulation', {
    layer: 'vmm',
    probeMs: Math.round(tcgMs),
  });
  return {
    accelerator: 'tcg',
    slowness: slownessOf(tcgMs),
    detail: `a probe boot with KVM failed, under emulation it took ${tcgMs.toFixed(0)} ms`,
  };
}

const slownessOf = (ms: number): number => Math.min(40, Math.max(1, ms / REFERENCE_MS));

async function bootMs(
  image: { kernelPath: string; initrdPath: string },
  accel: string[],
  timing: string,
  timeoutMs: number,
): Promise<number | null> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-probe-'));
  const consolePath = join(folder, 'console');
  const startedMs = performance.now();
  const child = startDetached('qemu-system-x86_64', [
    ...[
      '-M',
      'microvm,acpi=on,rtc=on,pic=on,pit=on,usb=off,isa-serial=on',
      ...accel,
      '-smp',
      '1',
      '-m',
      '256M',
    ],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-sandbox', 'on,spawn=deny'],
    ...['-chardev', `file,id=console,path=${consolePath}`, '-serial', 'chardev:console'],
    ...['-kernel', image.kernelPath, '-initrd', image.initrdPath],
    ...['-append', `console=ttyS0 reboot=t panic=-1 quiet ${timing}`],
  ]);
  child.on('error', () => undefined);
  const identity = child.pid === undefined ? null : await identifyProcess(child.pid);
  const progress = startProgress({ what: 'probe boot', timeoutMs });
  try {
    while (identity !== null && !progress.signal.aborted && (await isAlive(identity))) {
      const text = await readFile(consolePath, 'utf8').catch(() => '');
      if (text.includes(CONSOLE_PHASE_PREFIX)) return performance.now() - startedMs;
      await pause(20, progress.signal).catch(() => undefined);
    }
    return null;
  } finally {
    if (identity !== null) await signalProcess(identity, 'SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}
