import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseConfig, startProgress, vmIdSchema, type ImageManifest } from '@hearth/contract';
import { openRoom } from '@hearth/testing';
import { openImageSource } from '../../packages/host/src/images/image-source.ts';
import { listImages, readImage } from '../../packages/host/src/images/image-store.ts';
import { readTscKhz } from '../../packages/host/src/vmm/accelerator.ts';
import { noCgroups } from '../../packages/host/src/vmm/cgroup.ts';
import { createQemu } from '../../packages/host/src/vmm/qemu/qemu.ts';
import { createVmmSource } from '../../packages/host/src/vmm/vmm-source.ts';
import type { VmmSpec } from '../../packages/host/src/vmm/vmm.ts';
import type { ParityPlace } from './snapshot-parity.ts';

const runFile = promisify(execFile);

/** QEMU in a network namespace of its own, with guests of the newest image. */
export async function openQemuPlace(store: string): Promise<ParityPlace> {
  const [newest] = await listImages(store);
  if (newest === undefined) throw new Error(`${store} holds no image; run \`hearth image build\``);
  const manifest = await readImage(store, newest.id);
  const images = { ...openImageSource(store), current: () => Promise.resolve(manifest) };
  const config = parseConfig({ imageStore: store }, {});
  const template = await images.upperTemplate(
    config.vms.cli.diskMiB,
    startProgress({ what: 'template', timeoutMs: 60_000 }),
  );
  const source = createVmmSource({ config, images, cgroups: noCgroups, log: () => undefined });
  const { accelerator } = await source.probe();
  const room = await openRoom();
  // TAP and VMM must be in one namespace; this process stays in its own.
  const binary = join(room.folder, 'qemu-in-room');
  await writeFile(binary, `#!/bin/sh\nexec nsenter --net=/run/netns/${room.name} qemu-system-x86_64 "$@"\n`);
  await chmod(binary, 0o755);
  // An ordinary user, as a Hearth's own: QEMU can open nothing afterwards.
  const machine = { accelerator, tscKhz: await readTscKhz(), vmmUser: 'nobody' };
  let count = 0;
  return {
    vmm: createQemu({ machine, cgroups: noCgroups, binary }),
    folder: room.folder,
    specOf: async (name, upper, memMiB, memory) => {
      const tap = `tap${++count}`;
      await runFile('ip', ['-n', room.name, 'tuntap', 'add', 'dev', tap, 'mode', 'tap', 'vnet_hdr']);
      const folder = join(room.folder, name);
      await mkdir(folder);
      return { ...specOf(manifest, folder, upper), memMiB, memory, tap };
    },
    copyDisk: async (name, from) => {
      const path = join(room.folder, `${name}.ext4`);
      await runFile('cp', ['--sparse=always', from ?? template, path]);
      await chmod(path, 0o600);
      return path;
    },
    [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
  };
}

function specOf(
  manifest: ImageManifest,
  folder: string,
  upper: string,
): Omit<VmmSpec, 'memMiB' | 'memory' | 'tap'> {
  const layer = (role: 'base' | 'agent'): string =>
    manifest.layers.find((candidate) => candidate.role === role)?.path ?? '';
  return {
    vmId: vmIdSchema.parse('vm-000000000000'),
    cpus: 2,
    kernelPath: manifest.kernel.path,
    initrdPath: manifest.initrd.path,
    kernelArguments: [
      ...['quiet', 'net.ifnames=0', `systemd.machine_id=${'1'.repeat(32)}`],
      ...['systemd.hostname=parity', 'hearth.kind=cli'],
    ],
    drives: [
      { id: 'base', path: layer('base'), readOnly: true },
      { id: 'agent', path: layer('agent'), readOnly: true },
      { id: 'upper', path: upper, readOnly: false },
    ],
    mac: '02:48:0a:63:00:02',
    consolePath: join(folder, 'console'),
    controlSocketPath: join(folder, 'control'),
    monitorSocketPath: join(folder, 'monitor'),
    logPath: join(folder, 'log'),
    pidPath: join(folder, 'pid'),
    saveSocketPath: join(folder, 'save'),
  };
}
