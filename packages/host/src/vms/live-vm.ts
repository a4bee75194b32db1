import { rm } from 'node:fs/promises';
import {
  asHearthError,
  HearthError,
  startProgress,
  toFailure,
  VNC_PORT,
  type Address,
  type HostRestartVm,
  type HostResumeVm,
  type HostVm,
  type Log,
  type Progress,
  type Why,
} from '@hearth/contract';
import type { DisplayEndpoint } from '../desktop/dial-display.ts';
import { eraseFile } from '../disks/erase-file.ts';
import type { AgentEndpoint } from '../guest-link/agent-client.ts';
import type { SavedMemory, VmRecord } from '../journal/vm-records.ts';
import type { RunningVmm } from '../vmm/vmm.ts';
import { makeDisk, makeFolders, type Way } from './come-up.ts';
import type { VmHostDeps } from './ports.ts';
import { checkMemory, copyDisk, copySaved, saveMemory } from './saved-memory.ts';
import { VmCell } from './vm-cell.ts';
import { createVmCredentials, type VmCredentials } from './vm-credentials.ts';
import { VmHealth } from './vm-health.ts';
import { vmPaths, type VmPaths } from './vm-paths.ts';
import { SETUP_TIMEOUT_MS, VmRun } from './vm-run.ts';

/** How long a start may wait for its turn. */
const QUEUE_TIMEOUT_MS = 15 * 60_000;
const SAVE_TIMEOUT_MS = 10 * 60_000;
/** From the order to power off to the VMM's end, on hardware; a slower machine gets more. */
const POWER_OFF_TIMEOUT_MS = 15_000;

/** One VM from its record to its end. All changes of its state are decided here. */
export class LiveVm {
  readonly #deps: VmHostDeps;
  readonly #paths: VmPaths;
  readonly #cell: VmCell;
  readonly #log: Log;
  readonly health: VmHealth;
  #run: VmRun;
  #boot: Promise<void> = Promise.resolve();
  /** Hibernations and copies, one after the other. */
  #saving: Promise<unknown> = Promise.resolve();
  #ending: Promise<void> | null = null;
  /** What a VM that fell asleep still gives back. */
  #givingBack: Promise<void> = Promise.resolve();

  constructor(record: VmRecord, deps: VmHostDeps, emit: (view: HostVm) => void) {
    this.#deps = deps;
    this.#cell = new VmCell(record, deps, emit);
    this.#paths = vmPaths(deps.config, record.id);
    this.#log = (message, fields) =>
      deps.log(message, { vmId: record.id, requestId: this.record.requestId, ...fields });
    this.#run = this.#newRun();
    this.health = new VmHealth({
      ...{ cell: this.#cell, paths: this.#paths, deps, log: this.#log },
      run: () => this.#run,
    });
  }

  get record(): VmRecord {
    return this.#cell.record;
  }

  view(): HostVm {
    return this.#cell.view();
  }

  /** Where its agent is, for somebody who uses the VM; what was frozen in it runs on. */
  endpoint(): AgentEndpoint {
    const endpoint = this.#reach();
    this.#cell.markUsed();
    const { origin, phases } = this.record;
    if (origin === 'snapshot' && !phases.some(({ phase }) => phase === 'thaw')) this.#run.thaw();
    return endpoint;
  }

  display(): DisplayEndpoint {
    const { id, kind, desktop } = this.record;
    if (desktop === null) throw new HearthError('not_a_desktop', `VM ${id} is a ${kind} VM`, { vmId: id });
    return { ip: this.endpoint().ip, port: VNC_PORT, password: this.#run.secrets.vncPassword };
  }

  /** Throws vm_not_ready. */
  credentials(): VmCredentials {
    this.#reach();
    return createVmCredentials(this.#cell, () => this.#run.guest());
  }

  /** The same, for the maker of a golden snapshot: looking at it is no use. Throws conflict for any other VM. */
  makersEndpoint(): AgentEndpoint {
    this.#requireGolden();
    return this.#reach();
  }

  /**
   * Writes the new VM down and starts it.
   * @param cold boot the image even where there is a golden snapshot
   * @param source the VM whose memory and disk are copied first
   */
  begin({ cold, source }: { cold: boolean; source: LiveVm | null }): void {
    this.#cell.save();
    this.#begin(cold, source);
  }

  /** Saves memory and disk and gives everything else back. Throws not_hibernatable, disk_full, snapshot_failed: it goes on then. */
  async hibernate(): Promise<void> {
    if (this.record.state === 'hibernated') return;
    await this.#inTurn(() => this.#hibernate());
  }

  /** Begins to bring it back. Throws not_hibernatable, snapshot_invalid: it stays hibernated then. */
  async resume({ cold, requestedAtMs, requestId }: HostResumeVm): Promise<void> {
    const { id, state } = this.record;
    if (state === 'ready' || state === 'booting' || state === 'creating') return;
    await this.#givingBack;
    const check = startProgress({ what: 'checking the saved memory', timeoutMs: SETUP_TIMEOUT_MS });
    try {
      if (!cold && !this.record.poweredOff)
        await checkMemory(this.record.saved, await this.#deps.vmm(), this.#paths, check);
    } catch (error) {
      const failure = toFailure(asHearthError(error), new Date(this.#deps.now()));
      if (this.record.state === 'hibernated') this.#cell.change({ failure });
      throw error;
    }
    if (this.record.state !== 'hibernated')
      throw new HearthError('not_hibernatable', `VM ${id} is ${this.record.state}`, { vmId: id });
    this.#run = this.#newRun();
    this.#cell.change({
      ...{ state: 'creating', phases: [], failure: null, finding: null, origin: null },
      ...{ requestedAtMs, requestId, heldSecret: false },
    });
    this.#begin(cold, null);
  }

  /** Ends its VMM and boots its disk anew. Throws conflict unless it is a CLI VM that should run. */
  async restart(request: HostRestartVm): Promise<void> {
    await this.#inTurn(async () => {
      const { id, kind, state } = this.record;
      if (kind !== 'cli' || state !== 'ready')
        throw new HearthError(
          'conflict',
          `VM ${id} is a ${kind} VM in state ${state}: it can't be restarted`,
          {
            vmId: id,
          },
        );
      this.#log('restarting', { requestId: request.requestId });
      // Written down first: a daemon that dies here begins it anew from its disk.
      this.#cell.change({
        ...request,
        ...{ state: 'creating', keepsDisk: true, saved: null, poweredOff: false, origin: null },
        ...{ phases: [], failure: null, heldSecret: false, credentials: [] },
      });
      await this.#run.end();
      this.#run = this.#newRun();
      this.#begin(true, null);
    });
  }

  /** It stopped answering, and its kind isn't kept then. */
  async giveUp({ summary }: Why): Promise<void> {
    await this.#fail(new HearthError('guest_not_ready', summary, { vmId: this.record.id }));
  }

  /** Copies disk and memory for a fork: of a ready VM as it is at this moment, with a short pause. */
  async copyTo(paths: VmPaths, progress: Progress): Promise<Pick<VmRecord, 'saved' | 'imageId'>> {
    return this.#inTurn(async () => {
      const { state, imageId } = this.record;
      const vmm = await this.#deps.vmm();
      if (state === 'hibernated' && this.record.poweredOff) {
        await copyDisk(this.#paths, paths, progress);
        return { saved: null, imageId };
      }
      if (state === 'hibernated') {
        const saved = await checkMemory(this.record.saved, vmm, this.#paths, progress);
        await copySaved(this.#paths, paths, progress);
        return { saved, imageId };
      }
      const running = this.#requireSaveable();
      if (this.record.heldSecret)
        throw new HearthError('not_hibernatable', `VM ${this.record.id} holds a credential in its memory`, {
          hint: 'Hibernate it first, which powers it off: then its disk can be copied.',
        });
      await running.pause(progress);
      try {
        const saved = await saveMemory(running, vmm, this.#paths, progress);
        await copySaved(this.#paths, paths, progress);
        return { saved, imageId };
      } finally {
        await this.#wakeUp();
        await this.#run.connectGuest();
      }
    });
  }

  /** Makes it a golden snapshot: devices go to `statePath`, its memory lies in its file already; it stays paused. */
  async saveGolden(statePath: string, progress: Progress): Promise<void> {
    this.#requireGolden();
    this.#reach();
    const running = this.#run.vmm();
    await this.#run.guest().prepareSnapshot(progress);
    await running.pause(progress);
    await running.save(statePath, progress);
  }

  async destroy(): Promise<void> {
    // A removal that failed half-way is taken up again by the next call.
    this.#ending ??= this.#end().catch((error: unknown) => {
      this.#ending = null;
      throw error;
    });
    await this.#ending;
  }

  async release(): Promise<void> {
    await this.#run.release();
    await this.#boot;
    await this.#saving;
  }

  /** Takes up what an earlier daemon left. */
  async adopt(): Promise<void> {
    const { state, address } = this.record;
    if (state === 'gone' || (state === 'failed' && address === null)) return;
    if (state === 'failed' || state === 'deleting' || state === 'hibernated') {
      await this.#finishEnding(state);
      return;
    }
    try {
      const alive = await this.#run.adopt();
      if (this.#beginsAnew()) {
        await this.#run.end();
        this.#begin(false, null);
        return;
      }
      if (!alive && state === 'hibernating' && this.record.poweredOff) {
        await this.#sleep({ saved: null, failure: null });
        return;
      }
      if (!alive) throw new HearthError('vmm_failed', 'its VMM was not running when the host daemon started');
      await this.#run.startCapture();
      this.#log('VM taken up', { pid: this.record.vmm?.pid });
      if (state === 'hibernating' && this.record.poweredOff) {
        await this.#sleep({ saved: null, failure: null });
        return;
      }
      if (state === 'hibernating') await this.#wakeUp();
      if (state === 'creating' || state === 'booting') {
        // Between its last words and these, a VM from saved memory may not have been set running.
        if (this.record.origin === 'hibernation') await this.#wakeUp();
        this.#boot = this.#guarded(() => this.#run.becomeReady());
      } else {
        this.#run.watchExit();
        this.#boot = this.#run.connectGuest();
      }
    } catch (error) {
      await this.#fail(asHearthError(error));
    }
  }

  /** The host saw the guest's lease being acknowledged. */
  onLease(ip: string): void {
    if (ip === this.record.address?.ip) this.#cell.mark('network');
  }

  #newRun(): VmRun {
    return new VmRun({
      ...{ cell: this.#cell, paths: this.#paths, deps: this.#deps, log: this.#log },
      onFault: (error) => void this.#fail(error),
    });
  }

  #begin(cold: boolean, source: LiveVm | null): void {
    this.#boot = this.#guarded(() => this.#comeUp(cold, source));
  }

  #reach(): AgentEndpoint {
    const { id, state, address } = this.record;
    if (state !== 'ready' || address === null)
      throw new HearthError('vm_not_ready', `VM ${id} is ${state}`, { vmId: id });
    return { ip: address.ip, token: this.#run.secrets.token };
  }

  /** No code path makes a golden snapshot of a VM that anyone used, or that was not begun as one. */
  #requireGolden(): void {
    const { id, memory, used } = this.record;
    if (memory?.shared !== true || used)
      throw new HearthError('conflict', `VM ${id} can't become a golden snapshot`, { vmId: id });
  }

  /** The running VMM of a person's own VM. */
  #requireSaveable(): RunningVmm {
    const { id, kind, state, memory } = this.record;
    if (kind !== 'cli' || state !== 'ready' || memory?.shared === true)
      throw new HearthError('not_hibernatable', `VM ${id} is a ${kind} VM in state ${state}`, { vmId: id });
    return this.#run.vmm();
  }

  /** A daemon died in the middle of a start from saved memory, of which nobody has seen anything yet, or of a restart. */
  #beginsAnew(): boolean {
    const { state, origin, saved, vmm } = this.record;
    if (state !== 'creating' && state !== 'booting') return false;
    // A start is `booting` before it has a VMM: this one is of before the restart.
    if (state === 'creating' && vmm !== null) return true;
    return origin === 'snapshot' || (origin === 'hibernation' && saved !== null);
  }

  /** The daemon before us died while it gave back what this VM held. What fails again is tried at the next removal. */
  async #finishEnding(state: 'failed' | 'deleting' | 'hibernated'): Promise<void> {
    try {
      await this.#run.adopt();
      const { address, failure, finding } = this.record;
      if (address !== null && failure !== null && finding === null) await this.health.explainFailure();
      if (state === 'deleting') await this.destroy();
      else await this.#teardown(state === 'hibernated');
    } catch (error) {
      this.#log('a VM that was ending could not be cleared away yet', { error: String(error) });
    }
  }

  async #comeUp(cold: boolean, source: LiveVm | null): Promise<void> {
    const run = this.#run;
    // Before anything is waited for: whoever asked for the VM is told its address at once.
    this.#bookAddress();
    const giveBack = await this.#deps.slots.take(
      run.progress('wait for a boot slot', QUEUE_TIMEOUT_MS),
      this.record.queue,
    );
    try {
      this.#cell.mark('admitted');
      await makeFolders(this.#paths);
      if (source !== null) {
        const copied = await source.copyTo(this.#paths, run.progress('copying the VM', SAVE_TIMEOUT_MS));
        this.#cell.change({ ...copied, keepsDisk: true });
      }
      await run.start(await this.#makeReady(cold));
    } finally {
      giveBack();
    }
  }

  #bookAddress(): Address {
    const { id, machineId, address: booked } = this.record;
    if (booked !== null) return booked;
    const address = this.#deps.addresses.allocate(id, machineId ?? undefined);
    this.#cell.change({ address, machineId: address.machineId });
    return address;
  }

  /** Image, address, TAP, disk: all that a VMM needs. */
  async #makeReady(cold: boolean): Promise<Way> {
    const { images, network } = this.#deps;
    const { imageId } = this.record;
    const manifest = imageId === null ? await images.current() : await images.byId(imageId);
    const address = this.#bookAddress();
    this.#cell.change({ imageId: manifest.id });
    const setup = this.#run.progress('preparing the VM', SETUP_TIMEOUT_MS);
    const way = await this.#way(cold, { ...this.record, imageId: manifest.id });
    const disk = makeDisk(way, this.record, this.#paths, this.#deps, setup);
    const outcomes = await Promise.allSettled([
      disk.then(() => this.#cell.mark('disk')),
      network.attach(address, setup).then(() => this.#cell.mark('tap')),
      this.#run.startCapture(),
    ]);
    // Only once all have ended: what one of them made late, nobody would give back.
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return way;
  }

  async #way(cold: boolean, wanted: Parameters<VmHostDeps['goldens']['find']>[0]): Promise<Way> {
    const { memory, saved, keepsDisk } = this.record;
    if (saved !== null && !cold) return { origin: 'hibernation', saved };
    if (cold || keepsDisk || memory?.shared === true) return { origin: 'image' };
    const golden = await this.#deps.goldens.find(wanted);
    return golden === null ? { origin: 'image' } : { origin: 'snapshot', golden };
  }

  /** Runs a start; what goes wrong becomes the VM's failure, an end from outside does not. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#run.isReleased || this.#ending !== null) return;
      await this.#fail(asHearthError(error));
    }
  }

  /** Its failure, if it has one, is its own caller's. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#saving.then(work);
    this.#saving = turn.catch(() => undefined);
    return turn;
  }

  async #hibernate(): Promise<void> {
    const running = this.#requireSaveable();
    if (this.record.heldSecret) {
      await this.#powerOff();
      return;
    }
    const vmm = await this.#deps.vmm();
    this.#log('hibernating');
    this.#cell.change({ state: 'hibernating', keepsDisk: true });
    let saved: SavedMemory;
    try {
      const progress = this.#run.progress('saving the VM', SAVE_TIMEOUT_MS);
      this.#run.closeGuest();
      await running.pause(progress);
      saved = await saveMemory(running, vmm, this.#paths, progress);
    } catch (error) {
      if (this.#ending === null && !this.#run.isReleased) await this.#stayAwake();
      throw error;
    }
    await this.#sleep({ saved, poweredOff: false, failure: null });
    this.#log('hibernated', { bytes: saved.bytes });
  }

  /** Its memory may hold a secret, in pages that nobody can name any more: its disk is kept, its memory is not. */
  async #powerOff(): Promise<void> {
    this.#log('powering off');
    const { slowness } = await this.#deps.probe();
    const progress = this.#run.progress('powering the VM off', POWER_OFF_TIMEOUT_MS * slowness);
    this.#cell.change({ state: 'hibernating', keepsDisk: true, poweredOff: true });
    try {
      await this.#run.powerOff(progress);
    } catch (error) {
      // Its file system is a journal's: a guest that doesn't end by itself is cut off.
      this.#log('the guest did not power off in order', { error: String(error) });
    }
    if (this.#ending !== null || this.#run.isReleased) progress.throwIfAborted();
    await this.#sleep({ saved: null, failure: null });
    this.#log('powered off');
  }

  /** A hibernation that didn't work out. */
  async #stayAwake(): Promise<void> {
    try {
      await this.#wakeUp();
      // After a pause the guest's clock is behind: with its identity it gets the time.
      await this.#run.connectGuest();
    } catch (error) {
      await this.#fail(this.#run.lastFault ?? asHearthError(error));
    }
  }

  /** Sets a VMM running that was paused for a save, of which nothing is kept. */
  async #wakeUp(): Promise<void> {
    for (const path of [this.#paths.newState, this.#paths.savedState]) await rm(path, { force: true });
    await this.#run.runOn();
    if (this.record.state === 'hibernating') this.#cell.change({ state: 'ready' });
  }

  /** Everything but disk and saved memory is given back. Durable first: a daemon that dies here finishes it at its start. */
  async #sleep(also: Pick<VmRecord, 'failure'> & Partial<VmRecord>): Promise<void> {
    this.#cell.change({
      ...{ ...also, state: 'hibernated', phases: [], origin: null, credentials: [], finding: null },
    });
    const explained = also.failure === null ? Promise.resolve() : this.health.explainFailure();
    this.#givingBack = explained
      .then(() => this.#teardown(true))
      .catch((cause: unknown) => {
        this.#log('a hibernated VM left something behind', { error: String(cause) });
      });
    await this.#givingBack;
  }

  /** The state is durable first (F21); then everything that the VM held is given back, but for a disk that somebody worked on. */
  async #fail(error: HearthError): Promise<void> {
    const { kind, state, keepsDisk, used, heldSecret } = this.record;
    if (state === 'failed' || state === 'hibernated') return;
    this.#log('VM failed', { code: error.code, layer: error.layer, detail: error.detail });
    const failure = toFailure(error, new Date(this.#deps.now()));
    const wasUsed = state === 'ready' && kind === 'cli' && (used || heldSecret);
    if (wasUsed || (state !== 'ready' && keepsDisk)) {
      await this.#sleep({ failure, ...(wasUsed ? { saved: null, poweredOff: true, keepsDisk: true } : {}) });
      return;
    }
    this.#cell.change({ state: 'failed', failure, finding: null, credentials: [] });
    await this.health.explainFailure();
    try {
      await this.#teardown(false);
    } catch (cause) {
      this.#log('a failed VM left something behind', { error: String(cause) });
    }
  }

  async #end(): Promise<void> {
    const { id } = this.record;
    this.#cell.change({ state: 'deleting', finding: null });
    this.health.end();
    this.#run.abort(new HearthError('vm_deleted', 'the VM was deleted while it was coming up', { vmId: id }));
    await this.#boot;
    await this.#saving;
    await this.#teardown(false);
    this.#cell.change({ state: 'gone' });
    this.#cell.remove();
  }

  /** Gives everything back, in an order in which an address is never free before its VMM is dead (F17). Repeatable. */
  async #teardown(keepsDisk: boolean): Promise<void> {
    await this.#run.end();
    const { id, address } = this.record;
    if (address !== null) {
      await this.#deps.network.detach(address);
      this.#deps.addresses.free(id);
      this.#cell.change({ address: null });
    }
    // Somebody may have signed in on it.
    if (!keepsDisk && this.record.kind === 'browser') await eraseFile(this.#paths.upper);
    if (!keepsDisk) await rm(this.#paths.folder, { recursive: true, force: true });
    await rm(this.#paths.runFolder, { recursive: true, force: true });
  }
}
