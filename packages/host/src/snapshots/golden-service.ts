import {
  HearthError,
  type Check,
  type Config,
  type Log,
  type SnapshotId,
  type SnapshotList,
} from '@hearth/contract';
import type { StoredImages } from '../images/image-source.ts';
import type { GoldenSource } from '../vms/ports.ts';
import type { VmHost } from '../vms/vm-host.ts';
import type { VmmSource } from '../vmm/vmm-source.ts';
import { createGoldenCatalogue } from './golden-catalogue.ts';
import { startGoldenKeeper, type GoldenKeeper } from './golden-keeper.ts';
import { runImageProcess } from './image-process.ts';
import type { WantedSnapshot } from './make-golden.ts';
import { waitForQuiet } from './quiet-host.ts';
import { removeOrphans } from './remove-orphans.ts';
import { snapshotArguments } from './snapshot-arguments.ts';
import { removeSnapshot } from './snapshot-store.ts';

/** The last to be served: people come first. */
const BACKGROUND_NICENESS = 15;

export interface GoldenServiceOptions {
  config: Config;
  images: StoredImages;
  /** Of the runtime, which is opened with `source`. */
  vmm: VmmSource['vmm'];
  log: Log;
}

/** Golden snapshots in the host daemon: what VMs start from, what makes them in the background, and what is told of them. */
export interface GoldenService {
  readonly source: GoldenSource;
  list(vms: Pick<VmHost, 'clonesOf'>): Promise<SnapshotList>;
  /** Returns the bytes freed. Throws not_found, snapshot_in_use. */
  remove(vms: Pick<VmHost, 'clonesOf'>, id: SnapshotId): Promise<number>;
  check(): Promise<Check>;
  /** Begins to hash what is there and to make what isn't. */
  start(vms: Pick<VmHost, 'list' | 'holding' | 'onChange'>): void;
  close(): Promise<void>;
}

export function createGoldenService({ config, images, vmm, log }: GoldenServiceOptions): GoldenService {
  const store = config.imageStore;
  const closing = new AbortController();
  const { signal } = closing;
  let keeper: GoldenKeeper | null = null;
  let hashing: Promise<void> = Promise.resolve();

  const catalogue = createGoldenCatalogue({
    ...{ store, log, currentImage: () => images.current(), image: (id) => images.byId(id) },
    machine: async () => (await (await vmm()).snapshots?.machine()) ?? null,
    verify: (id) =>
      runImageProcess(['verify-snapshot', id, '--store', store], {
        ...{ niceness: BACKGROUND_NICENESS, signal, onEvent: () => undefined },
      }),
  });
  catalogue.onInvalid(() => keeper?.wake());

  const startKeeper = (vms: Pick<VmHost, 'list' | 'holding' | 'onChange'>): GoldenKeeper =>
    startGoldenKeeper({
      ...{ wanted: wantedOf(config), goldens: catalogue, now: Date.now, log },
      currentImage: () => images.current(),
      quiet: ({ memMiB }, note, ending) => waitForQuiet(vms, config, memMiB, note, ending),
      make: (imageId, wanted, onStage, ending) =>
        runImageProcess(['snapshot', wanted.kind, ...snapshotArguments(store, imageId, wanted, config.vms)], {
          niceness: BACKGROUND_NICENESS,
          signal: ending,
          onEvent: (event) => {
            if (event.type === 'stage') onStage(event.stage);
            if (event.type === 'message') onStage(event.text);
          },
        }),
      cleanUp: () => removeOrphans(store, log),
    });

  return {
    source: config.vms.snapshots.golden
      ? catalogue
      : { find: () => Promise.resolve(null), reject: () => undefined },
    list: async (vms) => ({
      snapshots: await catalogue.list((id) => vms.clonesOf(id)),
      making: keeper?.making() ?? null,
    }),
    remove: async (vms, id) => {
      const clones = vms.clonesOf(id);
      if (clones > 0) throw new HearthError('snapshot_in_use', `${clones} living VMs were cloned from ${id}`);
      const freedBytes = await removeSnapshot(store, id);
      keeper?.wake();
      return freedBytes;
    },
    check: async () => {
      const check = await catalogue.check();
      const failure = keeper?.failure() ?? null;
      return failure === null ? check : { ...check, ok: false, detail: failure };
    },
    start: (vms) => {
      if (!config.vms.snapshots.golden) return;
      hashing = catalogue.verifyAll(signal).catch((error: unknown) => {
        if (!signal.aborted)
          log('golden snapshots were not checked', { layer: 'snapshot', error: String(error) });
      });
      keeper = startKeeper(vms);
    },
    close: async () => {
      closing.abort(new HearthError('shutting_down', 'the host daemon stops'));
      await keeper?.close();
      await hashing;
    },
  };
}

/** Each kind in its default size; CLI VMs first, which take less. */
function wantedOf({ vms, desktop }: Config): WantedSnapshot[] {
  const size = ({ cpus, memMiB, diskMiB }: Config['vms']['cli']) => ({ cpus, memMiB, diskMiB });
  const { width, height } = desktop;
  return [
    { kind: 'cli', ...size(vms.cli), desktop: null },
    { kind: 'browser', ...size(vms.browser), desktop: { width, height } },
  ];
}
