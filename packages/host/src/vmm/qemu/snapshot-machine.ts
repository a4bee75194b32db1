import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { HearthError, type SnapshotMachine } from '@hearth/contract';
import { run } from '../../exec/run.ts';
import { machineModel, type QemuMachine } from './command-line.ts';

/** What a snapshot of this QEMU on this machine depends on. */
export async function snapshotMachine(
  binary: string,
  { accelerator, tscKhz }: Pick<QemuMachine, 'accelerator' | 'tscKhz'>,
): Promise<SnapshotMachine> {
  const { stdout } = await run(binary, ['--version'], { code: 'vmm_failed' });
  const version = /version (\S+)(?: \(([^)]+)\))?/.exec(stdout);
  if (version?.[1] === undefined)
    throw new HearthError('vmm_failed', `${binary} --version says: ${stdout.slice(0, 200)}`);
  const { machine, cpu } = machineModel(accelerator);
  return {
    vmm: { name: 'qemu', version: version[2] ?? version[1] },
    accelerator,
    model: `${machine} ${cpu}`,
    // Under emulation the guest's processor is QEMU's own.
    processor: accelerator === 'kvm' ? await hostProcessor() : 'any',
    tscKhz,
  };
}

async function hostProcessor(): Promise<string> {
  const info = await readFile('/proc/cpuinfo', 'utf8');
  const field = (name: string): string => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(info)?.[1] ?? '';
  const features = createHash('sha256')
    .update(`${field('flags')} ${field('stepping')} ${field('microcode')}`)
    .digest('hex');
  return `${field('model name')} ${features.slice(0, 12)}`;
}
