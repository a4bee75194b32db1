import { mkdir, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { parseConfig, startProgress, vmIdSchema, type Progress } from '@hearth/contract';
import { z } from 'zod';
import { identifyProcess } from '../../packages/host/src/exec/process-identity.ts';
import { openAddressBook } from '../../packages/host/src/network/address-book.ts';
import { planNetwork } from '../../packages/host/src/network/addressing.ts';
import { createHostNetwork } from '../../packages/host/src/network/host-network.ts';
import type { ExpectingRecord } from '../../packages/host/src/reconcile/expectation.ts';
import { createReconciler } from '../../packages/host/src/reconcile/reconciler.ts';
import { vmPaths } from '../../packages/host/src/vms/vm-paths.ts';
import { cpuSeconds } from './process-cost.ts';

/**
 * `node host-passes.ts '{"folder": …, "name": …, "vms": [0, 200], "passes": 10}'`, in a network namespace of its own: what one reconcile
 * pass of the host daemon costs with so many VMs, where nothing differs. Bridge, TAPs, firewall, dnsmasq and files are
 * real; this process stands in for every VMM. Prints a {@link HostPasses} for each count.
 */
const inputSchema = z.strictObject({
  folder: z.string(),
  name: z.string(),
  vms: z.array(z.int().nonnegative()),
  passes: z.int().positive(),
});
export type HostPassesInput = z.input<typeof inputSchema>;
export interface HostPasses {
  vms: number;
  /** Of one pass: from its beginning to its end. */
  wallMs: number;
  /** Of one pass: processor time of this process and of the programs that it asked. */
  cpuMs: number;
}

const input = inputSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
const config = parseConfig(
  {
    ...{ name: input.name, stateDir: join(input.folder, 'state'), runDir: join(input.folder, 'run') },
    network: { subnet: '10.96.0.0/16', transitSubnet: '10.97.0.0/30', uplink: 'none' },
  },
  {},
);
const progress = (): Progress => startProgress({ what: 'bench', timeoutMs: 300_000 });
const book = openAddressBook({
  ...{ plan: planNetwork(config), randomBytes },
  store: { load: () => [], put: () => undefined, delete: () => undefined },
});
const network = createHostNetwork({ config, log: () => undefined });
const vmm = await identifyProcess(process.pid);
const records: ExpectingRecord[] = [];

async function addVm(): Promise<void> {
  const id = vmIdSchema.parse(`vm-${String(records.length).padStart(12, '0')}`);
  const paths = vmPaths(config, id);
  for (const path of [paths.upper, paths.console.logPath]) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, '');
  }
  // `booting`: nobody holds its TAP, which of a ready VM would be drift.
  records.push({ id, state: 'booting', vmm, address: book.allocate(id), saved: null });
}

async function measure(vms: number): Promise<HostPasses> {
  while (records.length < vms) await addVm();
  await network.sync(
    book.list().map(({ address }) => address),
    progress(),
  );
  const reconciler = createReconciler({
    config,
    records: () => records,
    book,
    network,
    log: () => undefined,
  });
  const { drifts } = await reconciler.pass(progress());
  if (drifts.length > 0) throw new Error(`there is drift: ${JSON.stringify(drifts.slice(0, 3))}`);
  const before = await cpuSeconds(process.pid);
  const startMs = performance.now();
  for (let pass = 0; pass < input.passes; pass += 1) await reconciler.pass(progress());
  const wallMs = (performance.now() - startMs) / input.passes;
  const cpuMs = (1000 * ((await cpuSeconds(process.pid)) - before)) / input.passes;
  await reconciler.stop();
  return { vms, wallMs, cpuMs };
}

await network.start(progress());
const results: HostPasses[] = [];
for (const vms of input.vms) results.push(await measure(vms));
await network.stop();
process.stdout.write(JSON.stringify(results));
