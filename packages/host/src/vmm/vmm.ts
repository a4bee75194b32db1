import type { Duplex } from 'node:stream';
import type { Progress, SnapshotMachine, VmId } from '@hearth/contract';
import type { ProcessIdentity } from '../exec/process-identity.ts';

export interface Drive {
  id: 'base' | 'agent' | 'upper';
  /** Raw image file. */
  path: string;
  readOnly: boolean;
}

export interface SavedState {
  bytes: number;
  sha256: string;
}

/** A file that holds the guest's memory. */
export interface MemoryFile {
  path: string;
  /** The guest writes into the file (a golden snapshot in the making); else it writes into pages of its own. */
  shared: boolean;
}

/** All that a VMM needs to know of one VM; every path comes from vm-paths.ts. */
export interface VmmSpec {
  vmId: VmId;
  cpus: number;
  memMiB: number;
  /** null: memory of the VMM's own. */
  memory: MemoryFile | null;
  kernelPath: string;
  initrdPath: string;
  /** What the guest must know, without what a VMM adds of its own. */
  kernelArguments: readonly string[];
  drives: readonly Drive[];
  tap: string;
  mac: string;
  /** File that gets the serial console from the first byte. */
  consolePath: string;
  /** Unix stream socket on the host's side of the control channel. */
  controlSocketPath: string;
  /** Unix socket of the VMM's own monitor or API. */
  monitorSocketPath: string;
  /** Where the VMM writes its own words. */
  logPath: string;
  /** Unix socket by which a save leaves the VMM; there only while one is under way. */
  saveSocketPath: string;
  pidPath: string;
}

/** From files back to a VM; null in a driver that can't. */
export interface SnapshotVerbs {
  /** What a snapshot made here needs of a machine that restores it. */
  machine(): Promise<SnapshotMachine>;
  /**
   * Starts a process that holds the VM of that file, paused. With a memory file in `spec` the state file has devices only, as
   * `save` left it; without one it has the memory, too. Throws snapshot_invalid where the VMM refuses the file.
   */
  load(
    spec: VmmSpec,
    statePath: string,
    progress: Progress,
    onSpawned: (process: ProcessIdentity) => void,
  ): Promise<RunningVmm>;
}

/** What a VMM says of itself. */
export interface VmmSight {
  /** In its own word: `running`, `paused`, `io-error`, … */
  status: string;
  /** The guest's processors run. */
  running: boolean;
  /** A program in the guest holds the guest's end of the control channel open; null: the VMM can't tell. */
  guestHasControl: boolean | null;
}

export interface RunningVmm {
  readonly process: ProcessIdentity;
  /** Resolves, with the VMM's last words, once its process is gone; never rejects. */
  readonly exited: Promise<string>;
  /** Asks the monitor; changes nothing. Throws vmm_failed where it is silent. */
  inspect(progress: Progress): Promise<VmmSight>;
  /** Legal while running. */
  pause(progress: Progress): Promise<void>;
  /** Legal while paused. */
  resume(progress: Progress): Promise<void>;
  /**
   * Writes devices, and memory unless it lies in a shared file, to a new file, durably; nothing is left where it fails. Legal while
   * paused; leaves the VM paused. Gives the file's size and sha256. Throws disk_full, snapshot_failed.
   */
  save(statePath: string, progress: Progress): Promise<SavedState>;
  /** One connection of the host to the control channel; only one may be open at a time. */
  openControl(progress: Progress): Promise<Duplex>;
  /** Ends the process and returns only once it is confirmed dead (F17). */
  kill(): Promise<void>;
  /** Lets go of the process without ending it. */
  release(): void;
}

/** The port behind which QEMU and Firecracker are alike. */
export interface Vmm {
  readonly name: 'qemu' | 'firecracker';
  readonly snapshots: SnapshotVerbs | null;
  /** Starts the process; `onSpawned` gets its identity at once, for the journal. */
  start(
    spec: VmmSpec,
    progress: Progress,
    onSpawned: (process: ProcessIdentity) => void,
  ): Promise<RunningVmm>;
  /** Takes up a process that an earlier daemon started; null where it is dead, and then nothing of it is left. */
  adopt(spec: VmmSpec, process: ProcessIdentity | null, progress: Progress): Promise<RunningVmm | null>;
}
