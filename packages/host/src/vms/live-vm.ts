import { rm } from 'node:fs/promises';
import {
  asHearthError,
  HearthError,
  startProgress,
  toFailure,
  VNC_PORT,
  type BootPhase,
  type HostResumeVm,
  type HostVm,
  type ImageManifest,
  type Log,
  type Progress,
} from '@hearth/contract';
import { captureConsole, type ConsoleCapture } from '../console/console-capture.ts';
import type { DisplayEndpoint } from '../desktop/dial-display.ts';
import type { AgentEndpoint } from '../guest-link/agent-client.ts';
import { viewOf, type SavedMemory, type VmRecord } from '../journal/vm-records.ts';
import type { RunningVmm } from '../vmm/vmm.ts';
import type { BootSecrets } from './boot-secrets.ts';
import { makeDisk, makeFolders, memoryOf, startVmm, type Way } from './come-up.ts';
import { readConsoleLine } from './console-signs.ts';
import { GuestSession } from './guest-session.ts';
import type { VmHostDeps } from './ports.ts';
import { checkMemory, copySaved, saveMemory } from './saved-memory.ts';
import { vmmSpec } from './vmm-spec.ts';
import { vmPaths, type VmPaths } from './vm-paths.ts';

/** A browser VM paints a desktop and starts a browser before it is ready. */
const BROWSER_FACTOR = 3;
/** How long a boot may wait for its turn. */
const QUEUE_TIMEOUT_MS = 15 * 60_000;
const SETUP_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 30_000;
const SAVE_TIMEOUT_MS = 10 * 60_000;

/** One VM from its record to its end. All changes of its state happen here. */
export class LiveVm {
  readonly #deps: VmHostDeps;
  readonly #paths: VmPaths;
  readonly #emit: (view: HostVm) => void;
  readonly #log: Log;
  /** Ends the start under way, and the waits of a VM that is taken down. New for each start. */
  #life = new AbortController();
  #secrets: BootSecrets;
  #record: VmRecord;
  #running: RunningVmm | null = null;
  #capture: ConsoleCapture | null = null;
  #guest: GuestSession | null = null;
  #boot: Promise<void> = Promise.resolve();
  /** Hibernations and copies, one after the other. */
  #saving: Promise<unknown> = Promise.resolve();
  #ending: Promise<void> | null = null;
  #released = false;
  #lastFault: HearthError | null = null;

  constructor(record: VmRecord, deps: VmHostDeps, emit: (view: HostVm) => void) {
    this.#record = record;
    this.#deps = deps;
    this.#emit = emit;
    this.#paths = vmPaths(deps.config, record.id);
    this.#secrets = deps.bootSecrets();
    this.#log = (message, fields) =>
      deps.log(message, { vmId: record.id, requestId: this.#record.requestId, ...fields });
  }

  get record(): VmRecord {
    return this.#record;
  }

  view(): HostVm {
    return viewOf(this.#record);
  }

  /** Where its agent is, for somebody who uses the VM. */
  endpoint(): AgentEndpoint {
    const endpoint = this.#reach();
    this.#use();
    return endpoint;
  }

  display(): DisplayEndpoint {
    if (this.#record.desktop === null)
      throw new HearthError('not_a_desktop', `VM ${this.#record.id} is a ${this.#record.kind} VM`, {
        vmId: this.#record.id,
      });
    const { ip } = this.endpoint();
    return { ip, port: VNC_PORT, password: this.#secrets.vncPassword };
  }

  /** The same, for the maker of a golden snapshot: looking at it is no use. Throws conflict for any other VM. */
  makersEndpoint(): AgentEndpoint {
    this.#requireGolden();
    return this.#reach();
  }

  /** Writes the record down without announcing a change. */
  save(): void {
    this.#deps.records.put(this.#record);
  }

  /**
   * @param cold boot the image, or the VM's own disk, even where there is saved memory
   * @param source the VM whose memory and disk are copied first
   */
  begin({ cold = false, source = null }: { cold?: boolean; source?: LiveVm | null } = {}): void {
    this.#boot = this.#guarded(() => this.#comeUp(cold, source));
  }

  /** Saves memory and disk and gives everything else back. Throws not_hibernatable, disk_full, snapshot_failed: it goes on then. */
  async hibernate(): Promise<void> {
    if (this.#record.state === 'hibernated') return;
    await this.#inTurn(() => this.#hibernate());
  }

  /** Begins to bring it back. Throws not_hibernatable, snapshot_invalid: it stays hibernated then. */
  async resume({ cold, requestedAtMs, requestId }: HostResumeVm): Promise<void> {
    const { id, state } = this.#record;
    if (state === 'ready' || state === 'booting' || state === 'creating') return;
    const check = startProgress({ what: 'checking the saved memory', timeoutMs: SETUP_TIMEOUT_MS });
    if (!cold) await checkMemory(this.#record.saved, await this.#deps.vmm(), this.#paths, check);
    if (this.#record.state !== 'hibernated')
      throw new HearthError('not_hibernatable', `VM ${id} is ${this.#record.state}`, { vmId: id });
    this.#life = new AbortController();
    this.#secrets = this.#deps.bootSecrets();
    this.#lastFault = null;
    this.#change({ state: 'creating', phases: [], failure: null, requestedAtMs, requestId, origin: null });
    this.begin({ cold });
  }

  /** Copies disk and memory for a fork: of a ready VM as it is at this moment, with a short pause. */
  async copyTo(paths: VmPaths, progress: Progress): Promise<Pick<VmRecord, 'saved' | 'imageId'>> {
    return this.#inTurn(async () => {
      const { state, imageId } = this.#record;
      if (state === 'hibernated') {
        const saved = await checkMemory(this.#record.saved, await this.#deps.vmm(), this.#paths, progress);
        await copySaved(this.#paths, paths, progress);
        return { saved, imageId };
      }
      const running = this.#requireSaveable();
      await running.pause(progress);
      try {
        const saved = await saveMemory(running, await this.#deps.vmm(), this.#paths, progress);
        await copySaved(this.#paths, paths, progress);
        return { saved, imageId };
      } finally {
        await rm(this.#paths.savedState, { force: true });
        await this.#goOn();
      }
    });
  }

  /** Makes it a golden snapshot: devices go to `statePath`, its memory lies in its file already; it stays paused. */
  async saveGolden(statePath: string, progress: Progress): Promise<void> {
    this.#requireGolden();
    const guest = this.#guest;
    const running = this.#running;
    if (this.#record.state !== 'ready' || guest === null || running === null)
      throw new HearthError('vm_not_ready', `VM ${this.#record.id} is ${this.#record.state}`);
    await guest.prepareSnapshot(progress);
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
    this.#released = true;
    this.#life.abort(new HearthError('shutting_down', 'the host daemon stops; the VM goes on'));
    this.#guest?.close();
    await this.#boot;
    await this.#saving.catch(() => undefined);
    this.#running?.release();
    await this.#capture?.stop();
  }

  /** Takes up what an earlier daemon left. */
  async adopt(): Promise<void> {
    const { state, address } = this.#record;
    if (state === 'gone' || (state === 'failed' && address === null)) return;
    if (state === 'failed' || state === 'deleting' || state === 'hibernated') {
      await this.#finishEnding(state);
      return;
    }
    try {
      const alive = address !== null && (await this.#adoptVmm());
      if ((state === 'creating' || state === 'booting') && this.#beginsAnew()) {
        await this.#dropVmm();
        this.begin();
        return;
      }
      if (!alive) throw new HearthError('vmm_failed', 'its VMM was not running when the host daemon started');
      await this.#startCapture();
      this.#log('VM taken up', { pid: this.#running?.process.pid });
      if (state === 'ready' || state === 'hibernating') {
        this.#watchExit();
        if (state === 'hibernating') await this.#wakeUp();
        this.#boot = this.#connectGuest();
      } else {
        this.#boot = this.#guarded(async () => {
          // Between its last words and these, a VM from saved memory may not have been set running.
          if (this.#record.origin === 'hibernation') await this.#wakeUp();
          await this.#becomeReady(await this.#readyDeadline());
        });
      }
    } catch (error) {
      await this.#fail(asHearthError(error));
    }
  }

  /** The host saw the guest's lease being acknowledged. */
  onLease(ip: string): void {
    if (ip === this.#record.address?.ip) this.#mark('network');
  }

  #reach(): AgentEndpoint {
    const { id, state, address } = this.#record;
    if (state !== 'ready' || address === null)
      throw new HearthError('vm_not_ready', `VM ${id} is ${state}`, { vmId: id });
    return { ip: address.ip, token: this.#secrets.token };
  }

  /** From here on a person may have left something in it; and what was frozen runs on. */
  #use(): void {
    if (!this.#record.used) {
      this.#record = { ...this.#record, used: true };
      this.save();
    }
    const { origin, phases } = this.#record;
    if (origin === 'snapshot' && !phases.some(({ phase }) => phase === 'thaw')) this.#guest?.thaw();
  }

  /** No code path makes a golden snapshot of a VM that anyone used, or that was not begun as one. */
  #requireGolden(): void {
    const { id, memory, used } = this.#record;
    if (memory?.shared !== true || used)
      throw new HearthError('conflict', `VM ${id} can't become a golden snapshot`, { vmId: id });
  }

  /** The running VMM of a person's own VM. */
  #requireSaveable(): RunningVmm {
    const { id, kind, state, memory } = this.#record;
    if (kind !== 'cli' || state !== 'ready' || memory?.shared === true || this.#running === null)
      throw new HearthError('not_hibernatable', `VM ${id} is a ${kind} VM in state ${state}`, { vmId: id });
    return this.#running;
  }

  /** A daemon that died in the middle of a start from saved memory, of which nobody has seen anything yet. */
  #beginsAnew(): boolean {
    const { origin, saved } = this.#record;
    return origin === 'snapshot' || (origin === 'hibernation' && saved !== null);
  }

  /** The daemon before us died while it gave back what this VM held. What fails again is tried at the next removal. */
  async #finishEnding(state: 'failed' | 'deleting' | 'hibernated'): Promise<void> {
    try {
      await this.#adoptVmm();
      if (state === 'deleting') await this.destroy();
      else await this.#teardown(state === 'hibernated');
    } catch (error) {
      this.#log('a VM that was ending could not be cleared away yet', { error: String(error) });
    }
  }

  async #comeUp(cold: boolean, source: LiveVm | null): Promise<void> {
    const queue = startProgress({
      what: 'wait for a boot slot',
      timeoutMs: QUEUE_TIMEOUT_MS,
      signal: this.#life.signal,
    });
    const giveBack = await this.#deps.slots.take(queue);
    try {
      this.#mark('admitted');
      await makeFolders(this.#paths);
      if (source !== null) await this.#copyFrom(source);
      const manifest = await this.#manifest();
      const { id, machineId } = this.#record;
      const address = this.#deps.addresses.allocate(id, machineId ?? undefined);
      this.#change({ imageId: manifest.id, address, machineId: address.machineId });
      const setup = this.#progress('preparing the VM', SETUP_TIMEOUT_MS);
      const attached = this.#deps.network.attach(address, setup).then(() => this.#mark('tap'));
      const way = await this.#way(cold, manifest);
      await Promise.all([attached, this.#startCapture(), this.#makeDisk(way, setup)]);
      await this.#start(way, manifest);
      await this.#becomeReady(await this.#readyDeadline());
    } finally {
      giveBack();
    }
  }

  async #copyFrom(source: LiveVm): Promise<void> {
    const copying = this.#progress('copying the VM', SAVE_TIMEOUT_MS);
    this.#change({ ...(await source.copyTo(this.#paths, copying)), keepsDisk: true });
  }

  async #way(cold: boolean, manifest: ImageManifest): Promise<Way> {
    const { kind, cpus, memMiB, diskMiB, memory, saved, keepsDisk } = this.#record;
    if (saved !== null && !cold) return { origin: 'hibernation', saved };
    if (cold || keepsDisk || memory?.shared === true) return { origin: 'image' };
    const golden = await this.#deps.goldens.find({ kind, cpus, memMiB, diskMiB, imageId: manifest.id });
    return golden === null ? { origin: 'image' } : { origin: 'snapshot', golden };
  }

  async #makeDisk(way: Way, setup: Progress): Promise<void> {
    await makeDisk(way, this.#record, this.#paths, this.#deps, setup);
    this.#mark('disk');
  }

  /** Starts the VMM; where a golden snapshot is refused, from the image. */
  async #start(way: Way, manifest: ImageManifest): Promise<void> {
    const { address } = this.#record;
    if (address === null)
      throw new HearthError('internal', `VM ${this.#record.id} starts without an address`);
    const progress = await this.#readyDeadline();
    this.#change({
      ...{ state: 'booting', origin: way.origin, memory: memoryOf(way, this.#record) },
      snapshotId: way.origin === 'snapshot' ? way.golden.manifest.id : null,
      // A boot makes the disk newer than the saved memory, which must never be used again then.
      ...(way.origin === 'image' ? { saved: null } : {}),
    });
    try {
      this.#running = await startVmm({
        ...{ way, progress, paths: this.#paths, vmm: await this.#deps.vmm() },
        spec: vmmSpec(this.#record, address, manifest, this.#paths),
        onSpawned: (process) => this.#change({ vmm: process }),
      });
    } catch (error) {
      if (way.origin !== 'snapshot' || asHearthError(error).code !== 'snapshot_invalid') throw error;
      this.#log('a golden snapshot was refused; the VM boots from the image', { error: String(error) });
      this.#deps.goldens.reject(way.golden.manifest.id, asHearthError(error).detail);
      const setup = this.#progress('preparing the VM', SETUP_TIMEOUT_MS);
      await makeDisk({ origin: 'image' }, this.#record, this.#paths, this.#deps, setup);
      await this.#start({ origin: 'image' }, manifest);
      return;
    }
    this.#mark('vmm');
    if (way.origin !== 'image') await this.#runOn(way.origin, progress);
    if (this.#record.keepsDisk) await rm(this.#paths.savedState, { force: true });
  }

  /** Sets a VM from saved memory running. */
  async #runOn(origin: 'snapshot' | 'hibernation', progress: Progress): Promise<void> {
    this.#mark('load');
    // The same holds once it has run on.
    if (origin === 'hibernation') this.#change({ saved: null });
    await this.#running?.resume(progress);
    this.#mark('resume');
  }

  /** Runs a start; what goes wrong becomes the VM's failure, an end from outside does not. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#released || this.#ending !== null) return;
      await this.#fail(asHearthError(error));
    }
  }

  async #readyDeadline(): Promise<Progress> {
    const { slowness } = await this.#deps.probe();
    const factor = this.#record.kind === 'browser' ? BROWSER_FACTOR : 1;
    return this.#progress('becoming ready', this.#deps.config.vms.readyTimeoutMs * slowness * factor);
  }

  #progress(what: string, timeoutMs: number): Progress {
    return startProgress({ what, timeoutMs, signal: this.#life.signal, log: this.#log });
  }

  async #becomeReady(deadline: Progress): Promise<void> {
    this.#watchExit();
    const guest = await this.#openGuest(deadline);
    await guest.untilReady(deadline);
    this.#mark('ready', { state: 'ready' });
  }

  async #openGuest(progress: Progress): Promise<GuestSession> {
    const running = this.#running;
    if (running === null) throw new HearthError('control_channel_failed', 'the VM has no VMM');
    const { agents, randomBytes, now } = this.#deps;
    const guest = new GuestSession({
      ...{ running, agents, randomBytes, now, secrets: this.#secrets, manifest: await this.#manifest() },
      ...{ vm: () => this.#record, signal: this.#life.signal, log: this.#log },
      onPhase: (phase) => this.#mark(phase),
      onFault: (error) => void this.#fail(error),
    });
    this.#guest?.close();
    this.#guest = guest;
    // A guest that ran before need not say hello.
    const { origin, phases } = this.#record;
    await guest.connect(origin !== 'image' || phases.some(({ phase }) => phase === 'agent'), progress);
    return guest;
  }

  /** The control channel of a VM that was ready before: its token is new. */
  async #connectGuest(): Promise<void> {
    try {
      await this.#openGuest(this.#progress('control channel', CONNECT_TIMEOUT_MS));
    } catch (error) {
      this.#log('the control channel was not taken up again', {
        layer: 'control-channel',
        error: String(error),
      });
    }
  }

  async #manifest(): Promise<ImageManifest> {
    const { imageId } = this.#record;
    return imageId === null ? this.#deps.images.current() : this.#deps.images.byId(imageId);
  }

  async #startCapture(): Promise<void> {
    this.#capture ??= await captureConsole(
      this.#paths.console,
      (line) => this.#onConsoleLine(line),
      this.#log,
    );
  }

  #onConsoleLine(line: string): void {
    const sign = readConsoleLine(line);
    // A VM from saved memory is past these; what its console says is about something else.
    if (this.#record.origin === 'image') this.#mark('kernel');
    if (this.#record.origin === 'image' && sign?.type === 'phase') this.#mark(sign.phase);
    if (sign?.type === 'fault' && this.#record.state === 'booting') {
      this.#life.abort(new HearthError(sign.code, sign.detail, { vmId: this.#record.id }));
    }
    if (sign?.type === 'fault')
      this.#lastFault = new HearthError(sign.code, sign.detail, { vmId: this.#record.id });
  }

  #watchExit(): void {
    const running = this.#running;
    if (running === null) return;
    void running.exited.then(async (words) => {
      if (this.#released || this.#ending !== null || this.#running !== running) return;
      await this.#capture?.stop();
      this.#capture = null;
      const error =
        this.#lastFault ??
        new HearthError('vmm_failed', `the VMM is gone: ${words}`, { vmId: this.#record.id });
      // A start or a hibernation under way takes the reason from its signal; a ready VM fails here.
      this.#life.abort(error);
      if (this.#record.state === 'ready') await this.#fail(error);
    });
  }

  async #adoptVmm(): Promise<boolean> {
    const { address, vmm } = this.#record;
    if (address === null) return false;
    const progress = this.#progress('taking up the VMM', SETUP_TIMEOUT_MS);
    const spec = vmmSpec(this.#record, address, await this.#manifest(), this.#paths);
    this.#running = await (await this.#deps.vmm()).adopt(spec, vmm, progress);
    if (this.#running === null) return false;
    this.#change({ vmm: this.#running.process });
    return true;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#saving.then(work, work);
    this.#saving = turn.catch(() => undefined);
    return turn;
  }

  async #hibernate(): Promise<void> {
    const running = this.#requireSaveable();
    this.#log('hibernating');
    this.#change({ state: 'hibernating', keepsDisk: true });
    let saved: SavedMemory;
    try {
      const progress = this.#progress('saving the VM', SAVE_TIMEOUT_MS);
      this.#guest?.close();
      await running.pause(progress);
      saved = await saveMemory(running, await this.#deps.vmm(), this.#paths, progress);
    } catch (error) {
      if (this.#ending === null && !this.#released) await this.#stayAwake();
      throw error;
    }
    await this.#sleep({ saved, failure: null });
    this.#log('hibernated', { bytes: saved.bytes });
  }

  /** A hibernation that didn't work out. */
  async #stayAwake(): Promise<void> {
    try {
      await this.#wakeUp();
      await this.#goOn();
    } catch (error) {
      await this.#fail(this.#lastFault ?? asHearthError(error));
    }
  }

  /** Sets a VMM running that was paused when the daemon died, or when its saving failed. */
  async #wakeUp(): Promise<void> {
    for (const path of [this.#paths.newState, this.#paths.savedState]) await rm(path, { force: true });
    await this.#running?.resume(startProgress({ what: 'going on', timeoutMs: SETUP_TIMEOUT_MS }));
    if (this.#record.state === 'hibernating') this.#change({ state: 'ready' });
  }

  /** After a pause the guest's clock is behind: it gets its identity again, and with it the time. */
  async #goOn(): Promise<void> {
    await this.#running?.resume(startProgress({ what: 'going on', timeoutMs: SETUP_TIMEOUT_MS }));
    await this.#connectGuest();
  }

  /** Everything but disk and saved memory is given back. Durable first: a daemon that dies here finishes it at its start. */
  async #sleep(also: Partial<VmRecord>): Promise<void> {
    this.#change({ ...also, state: 'hibernated', phases: [], origin: null });
    try {
      await this.#teardown(true);
    } catch (cause) {
      this.#log('a hibernated VM left something behind', { error: String(cause) });
    }
  }

  /** The state is durable first (F21); then everything that the VM held is given back, but for a disk that is older than this start. */
  async #fail(error: HearthError): Promise<void> {
    const { state, keepsDisk } = this.#record;
    if (state === 'failed' || state === 'hibernated') return;
    this.#log('VM failed', { code: error.code, layer: error.layer, detail: error.detail });
    const failure = toFailure(error, new Date(this.#deps.now()));
    if (keepsDisk && state !== 'ready') {
      await this.#sleep({ failure });
      return;
    }
    this.#change({ state: 'failed', failure });
    try {
      await this.#teardown(false);
    } catch (cause) {
      this.#log('a failed VM left something behind', { error: String(cause) });
    }
  }

  async #end(): Promise<void> {
    this.#change({ state: 'deleting' });
    this.#life.abort(
      new HearthError('vm_deleted', 'the VM was deleted while it was coming up', { vmId: this.#record.id }),
    );
    await this.#boot;
    await this.#saving.catch(() => undefined);
    await this.#teardown(false);
    this.#change({ state: 'gone' });
    this.#deps.records.remove(this.#record.id);
  }

  async #dropVmm(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    this.#guest?.close();
    await running?.kill();
    this.#change({ vmm: null });
  }

  /** Gives everything back, in an order in which an address is never free before its VMM is dead (F17). Repeatable. */
  async #teardown(keepsDisk: boolean): Promise<void> {
    const { id, address } = this.#record;
    await this.#dropVmm();
    await this.#capture?.stop();
    this.#capture = null;
    if (address !== null) {
      await this.#deps.network.detach(address);
      this.#deps.addresses.free(id);
      this.#change({ address: null });
    }
    if (!keepsDisk) await rm(this.#paths.folder, { recursive: true, force: true });
    await rm(this.#paths.runFolder, { recursive: true, force: true });
  }

  #mark(phase: BootPhase, also: Partial<VmRecord> = {}): void {
    if (this.#record.phases.some((mark) => mark.phase === phase)) return;
    const atMs = Math.max(0, this.#deps.now() - this.#record.requestedAtMs);
    this.#change({ ...also, phases: [...this.#record.phases, { phase, atMs }] });
  }

  /** Durable before it is told. */
  #change(part: Partial<VmRecord>): void {
    this.#record = { ...this.#record, ...part, version: this.#record.version + 1 };
    this.save();
    this.#emit(this.view());
  }
}
