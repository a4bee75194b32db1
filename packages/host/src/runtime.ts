import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startProgress, type Config, type Log, type Progress } from '@hearth/contract';
import { createDiagnosis } from './diagnosis/diagnose.ts';
import { createWhyStore } from './diagnosis/why-store.ts';
import { createAgentClient, type AgentClient } from './guest-link/agent-client.ts';
import type { StoredImages } from './images/image-source.ts';
import { createAddressStore } from './journal/address-store.ts';
import { openHostDatabase } from './journal/database.ts';
import { createSettings } from './journal/settings.ts';
import { createVmRecords } from './journal/vm-records.ts';
import { openAddressBook, type AddressBook } from './network/address-book.ts';
import { planNetwork } from './network/addressing.ts';
import { createHostNetwork, type HostNetwork } from './network/host-network.ts';
import { createReconciler, type Reconciler } from './reconcile/reconciler.ts';
import { createSweeper, type Sweeper } from './reconcile/sweeper.ts';
import { cgroupTreeName, openCgroups } from './vmm/cgroup.ts';
import { createVmmSource, type VmmSource } from './vmm/vmm-source.ts';
import { createAdmission, type Admission } from './vms/admission.ts';
import { createBootSlots, type BootSlots } from './vms/boot-slots.ts';
import { readCaCertificates } from './vms/ca-certificates.ts';
import { randomSecrets, type BootSecrets } from './vms/boot-secrets.ts';
import { createDrainSwitch, type DrainSwitch } from './vms/drain.ts';
import type { GoldenSource } from './vms/ports.ts';
import { VmHost } from './vms/vm-host.ts';

const NETWORK_TIMEOUT_MS = 60_000;

export interface RuntimeOptions {
  config: Config;
  images: StoredImages;
  /** Golden snapshots that VMs may start from; none where left out. */
  goldens?: GoldenSource;
  /** What opens a VM; random where left out. */
  bootSecrets?: () => BootSecrets;
  signal?: AbortSignal;
  log: Log;
}

/** What runs VMs, without the daemon's API around it: the daemon and the image gate each have one. */
export interface Runtime {
  readonly vms: VmHost;
  readonly network: HostNetwork;
  readonly book: AddressBook;
  readonly agents: AgentClient;
  readonly vmmSource: VmmSource;
  readonly admission: Admission;
  readonly slots: BootSlots;
  readonly drain: DrainSwitch;
  /** Not started yet. */
  readonly reconciler: Reconciler;
  readonly sweeper: Sweeper;
  /** Lets go of everything; VMs that were not destroyed go on. */
  close: () => Promise<void>;
}

const noGoldens: GoldenSource = { find: () => Promise.resolve(null), reject: () => undefined };

/** Puts journal, network, VMM and VMs together, swept and with what lived before taken up. Runs inside the namespace, as root. */
export async function openRuntime({
  config,
  images,
  goldens = noGoldens,
  bootSecrets = () => randomSecrets(randomBytes),
  signal,
  log,
}: RuntimeOptions): Promise<Runtime> {
  const database = openHostDatabase(join(config.stateDir, 'host.db'));
  const records = createVmRecords(database);
  const book = openAddressBook({
    plan: planNetwork(config),
    store: createAddressStore(database),
    randomBytes,
  });
  const network = createHostNetwork({ config, log });
  const setup = startProgress({
    what: 'setting up the network',
    timeoutMs: NETWORK_TIMEOUT_MS,
    log,
    ...(signal === undefined ? {} : { signal }),
  });
  await network.start(setup);
  const cgroups = await openCgroups(cgroupTreeName(config.name), log);
  const synced = { done: false };
  /** Makes the network agree with the book: with all that the book has not, this is gone, too. */
  const bringInLine = async (progress: Progress): Promise<void> => {
    await network.sync(
      book.list().map(({ address }) => address),
      progress,
    );
    synced.done = true;
  };
  const sweeper = createSweeper({
    ...{ config, records: () => records.load(), book, cgroups, log },
    network: {
      ...network,
      detach: async (address) => {
        if (synced.done) await network.detach(address);
      },
      tidy: (progress) => (synced.done ? network.tidy(progress) : bringInLine(progress)),
    },
  });
  await sweeper.sweep({ dryRun: false }, setup);
  if (!synced.done) await bringInLine(setup);

  const agents = createAgentClient();
  const vmmSource = createVmmSource({ config, images, cgroups, log });
  const caCertificates = await readCaCertificates(config.network.caCertificates);
  const drain = createDrainSwitch(createSettings(database), log);
  const admission = createAdmission(config, () => drain.get().draining);
  const slots = createBootSlots(config.vms.maxConcurrentBoots);
  const looking = createDiagnosis({
    ...{ config, network, book, agents, log, plan: network.plan, now: Date.now },
    slowness: async () => (await vmmSource.probe()).slowness,
  });
  const vms = new VmHost({
    ...{ caCertificates, config, images, goldens, network, records, agents, randomBytes, bootSecrets, log },
    ...{ vmm: vmmSource.vmm, probe: vmmSource.probe, addresses: book, now: Date.now },
    ...{ admission, slots, diagnosis: { ...looking, ...createWhyStore(config) } },
  });
  network.onLease(({ ip }) => vms.onLease(ip));
  await vms.adopt();
  const reconciler = createReconciler({ config, records: () => vms.records(), book, network, log });
  return {
    ...{ vms, network, book, agents, vmmSource, admission, slots, drain, reconciler, sweeper },
    close: async () => {
      await reconciler.stop();
      await vms.release();
      await network.stop();
      await agents.close();
      await cgroups.close();
      database.close();
    },
  };
}
