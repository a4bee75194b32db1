import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  addressSchema,
  execEventSchema,
  HearthError,
  hostVmSchema,
  imageManifestSchema,
  makeId,
  parseConfig,
  readEvents,
  startProgress,
  vmIdSchema,
  type Config,
  type HostVm,
  type VmId,
} from '@hearth/contract';
import { putIntoDisk } from '@hearth/testing';
import { z } from 'zod';
import { openImageSource } from '../../packages/host/src/images/image-source.ts';
import { openRuntime, type Runtime } from '../../packages/host/src/runtime.ts';

/**
 * Guests of the same image on Hearth's own network, booted by its own code, with the faults planted: what the address book
 * says is bent, or a file lies in the guest's disk. Runs in a namespace of its own; input by argv, findings on standard output.
 */
const inputSchema = z.object({
  config: z.unknown(),
  manifest: imageManifestSchema,
  scenario: z.discriminatedUnion('name', [
    /** Two VMs, and a third that has the first one's machine-id; the client ids of all three come from their machine-ids. */
    z.object({ name: z.literal('clones'), networkFile: z.string() }),
    /** A VM ends, and another MAC gets its address at once. */
    z.object({ name: z.literal('handover'), mac: z.string() }),
    /** The guest's disk holds a second source of network configuration. */
    z.object({ name: z.literal('second source'), networkFile: z.string() }),
  ]),
});
const findingSchema = z.object({
  /** As the VM was once ready or failed. */
  vm: hostVmSchema,
  /** What was booked for it, before it failed and lost it. */
  booked: addressSchema,
  /** The guest's own view; null where it isn't ready. */
  guest: z
    .object({
      addresses: z.string(),
      hostname: z.string(),
      machineId: z.string(),
      mac: z.string(),
      bootId: z.string(),
      /** 32 bytes of its kernel's randomness, as hex. */
      random: z.string(),
    })
    .nullable(),
});
export const hearthNetworkSchema = z.object({
  vms: z.array(findingSchema),
  /** What the host logged. */
  said: z.array(z.string()),
});
export type HearthNetworkInput = z.input<typeof inputSchema>;
type Finding = z.infer<typeof findingSchema>;

const BOOT_TIMEOUT_MS = 400_000;
const LOOK_TIMEOUT_MS = 60_000;
const LOOK = [
  'hostname -I; hostname; cat /etc/machine-id /sys/class/net/eth0/address /proc/sys/kernel/random/boot_id',
  `head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n'`,
].join('; ');

const newId = (): VmId => vmIdSchema.parse(makeId('vm', randomBytes));

/** The VM once it is ready or has failed and given everything back. */
async function boot({ vms, book, agents }: Runtime, config: Config, id: VmId): Promise<Finding> {
  const { cpus, memMiB, diskMiB } = config.vms.cli;
  const booked = book.allocate(id);
  vms.create(id, {
    ...{ kind: 'cli', cpus, memMiB, diskMiB, desktop: null },
    ...{ requestedAtMs: Date.now(), requestId: 'identity' },
  });
  const isOver = ({ state, address }: HostVm): boolean =>
    state === 'ready' || (state === 'failed' && address === null);
  const vm = await vms.waitFor(
    id,
    isOver,
    startProgress({ what: `boot of ${id}`, timeoutMs: BOOT_TIMEOUT_MS }),
  );
  return { vm, booked, guest: vm.state === 'ready' ? await look({ vms, agents }, id) : null };
}

async function look({ vms, agents }: Pick<Runtime, 'vms' | 'agents'>, id: VmId): Promise<Finding['guest']> {
  const answer = await agents.forward(vms.endpoint(id), {
    method: 'POST',
    path: '/exec',
    body: JSON.stringify({ command: ['sh', '-c', LOOK] }),
    contentType: 'application/json',
    requestId: 'identity',
    signal: AbortSignal.timeout(LOOK_TIMEOUT_MS),
  });
  let text = '';
  for await (const event of readEvents(answer.body, execEventSchema))
    if (event.type === 'stdout') text += Buffer.from(event.dataBase64, 'base64').toString();
  const [addresses = '', hostname = '', machineId = '', mac = '', bootId = '', random = ''] = text
    .split('\n')
    .map((line) => line.trim());
  return { addresses, hostname, machineId, mac, bootId, random };
}

const said: string[] = [];

async function main({ config: raw, manifest, scenario }: z.infer<typeof inputSchema>): Promise<Finding[]> {
  const config = parseConfig(raw, {});
  for (const folder of [config.stateDir, config.runDir])
    await mkdir(folder, { recursive: true, mode: 0o755 });
  const stored = openImageSource(config.imageStore);
  const images = { ...stored, current: () => Promise.resolve(manifest) };
  if (scenario.name !== 'handover') {
    const plant = async (...wanted: Parameters<typeof stored.upperTemplate>): Promise<string> => {
      const faulty = join(config.stateDir, 'faulty.ext4');
      const template = await stored.upperTemplate(...wanted);
      await promisify(execFile)('cp', ['--sparse=always', template, faulty]);
      await chmod(faulty, 0o600);
      await putIntoDisk(faulty, '/etc/systemd/network/05-fault.network', scenario.networkFile);
      return faulty;
    };
    // Once for all VMs: they ask at the same time.
    let planted: Promise<string> | null = null;
    images.upperTemplate = (...wanted) => (planted ??= plant(...wanted));
  }
  const log = (message: string, fields?: object): void => {
    said.push(message);
    process.stderr.write(`${message} ${JSON.stringify(fields ?? {})}\n`);
  };
  const runtime = await openRuntime({ config, images, log });
  const { vms, book } = runtime;
  const allocate = book.allocate.bind(book);
  try {
    switch (scenario.name) {
      case 'clones': {
        const [one, two, clone] = [newId(), newId(), newId()];
        const { machineId } = allocate(one);
        book.allocate = (id) => (id === clone ? { ...allocate(id), machineId } : allocate(id));
        const all = await Promise.all([one, two, clone].map((id) => boot(runtime, config, id)));
        await Promise.all([one, two, clone].map((id) => vms.destroy(id)));
        return all;
      }
      case 'handover': {
        const [former, heir] = [newId(), newId()];
        const first = await boot(runtime, config, former);
        await vms.destroy(former);
        const { ip, tap } = first.booked;
        book.allocate = (id) => ({ ...allocate(id), ip, tap, mac: scenario.mac });
        const second = await boot(runtime, config, heir);
        await vms.destroy(heir);
        return [first, second];
      }
      case 'second source': {
        const finding = await boot(runtime, config, newId());
        if (finding.vm.state === 'ready')
          throw new HearthError('internal', 'a guest with an address of its own choice became ready');
        // Not destroyed: what a failed VM leaves is counted by the caller.
        return [finding];
      }
    }
  } finally {
    await runtime.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const vms = await main(inputSchema.parse(JSON.parse(process.argv[2] ?? '')));
  process.stdout.write(`${JSON.stringify({ vms, said })}\n`);
  process.exit(0);
}
