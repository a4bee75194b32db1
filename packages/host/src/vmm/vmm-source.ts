import { readFile } from 'node:fs/promises';
import type { Check, Config, HostCapacity, Log } from '@hearth/contract';
import { z } from 'zod';
import { createFacts } from './machine-facts.ts';
import type { ImageSource } from '../vms/ports.ts';
import { probeAccelerator, readTscKhz, type AcceleratorProbe } from './accelerator.ts';
import type { CgroupTree } from './cgroup.ts';
import { createQemu } from './qemu/qemu.ts';
import type { Vmm } from './vmm.ts';

export interface VmmSource {
  vmm: () => Promise<Vmm>;
  /** The machine's accelerator, found by a boot and remembered for kernel and boot of the machine. */
  probe: () => Promise<AcceleratorProbe>;
  accelerator(): HostCapacity['accelerator'];
  check(): Check;
}

export interface VmmSourceOptions {
  config: Config;
  images: ImageSource;
  cgroups: CgroupTree;
  log: Log;
}

const probeSchema = z.object({
  accelerator: z.enum(['kvm', 'tcg']),
  slowness: z.number(),
  detail: z.string(),
});

/** Chooses the VMM of this host, once it is needed. */
export function createVmmSource({ config, images, cgroups, log }: VmmSourceOptions): VmmSource {
  const facts = createFacts(config.imageStore);
  let found: AcceleratorProbe | null = null;
  let failure: string | null = null;
  let probing: Promise<AcceleratorProbe> | null = null;
  let chosen: Vmm | null = null;

  const findOut = async (): Promise<AcceleratorProbe> => {
    const image = await images.current();
    const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const name = `accelerator ${config.vms.accelerator} ${bootId} ${image.kernel.sha256} ${image.initrd.sha256}`;
    const probe =
      (await facts.get(name, probeSchema)) ??
      (await probeAccelerator(
        { kernelPath: image.kernel.path, initrdPath: image.initrd.path },
        config.vms.accelerator,
        log,
      ));
    await facts.put(name, probe);
    found = probe;
    failure = null;
    return probe;
  };
  const probe = async (): Promise<AcceleratorProbe> => {
    if (found !== null) return found;
    probing ??= findOut().finally(() => {
      probing = null;
    });
    return probing.catch((error: unknown) => {
      failure = error instanceof Error ? error.message : String(error);
      throw error;
    });
  };
  return {
    probe,
    vmm: async () => {
      const { accelerator } = await probe();
      const tscKhz = await readTscKhz();
      chosen ??= createQemu({ machine: { accelerator, tscKhz, vmmUser: config.vms.vmmUser }, cgroups });
      return chosen;
    },
    accelerator: () => found?.accelerator ?? 'unknown',
    check: () => ({
      name: 'vmm',
      ok: failure === null,
      detail:
        failure ??
        (found === null ? 'QEMU, not probed yet' : `QEMU with ${found.accelerator}: ${found.detail}`),
    }),
  };
}
