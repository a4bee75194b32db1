import { rm } from 'node:fs/promises';
import {
  asHearthError,
  HearthError,
  startProgress,
  withAbort,
  type BootPhase,
  type ImageManifest,
  type Log,
  type Progress,
} from '@hearth/contract';
import { captureConsole, type ConsoleCapture } from '../console/console-capture.ts';
import type { DiagnosisSubject } from '../diagnosis/diagnose.ts';
import type { RunningVmm } from '../vmm/vmm.ts';
import type { BootSecrets } from './boot-secrets.ts';
import { makeDisk, memoryOf, startVmm, type Way } from './come-up.ts';
import { readConsoleLine } from './console-signs.ts';
import { GuestSession } from './guest-session.ts';
import type { VmHostDeps } from './ports.ts';
import type { VmCell } from './vm-cell.ts';
import { vmmSpec } from './vmm-spec.ts';
import type { VmPaths } from './vm-paths.ts';

/** A browser VM paints a desktop and starts a browser before it is ready. */
const BROWSER_FACTOR = 3;
export const SETUP_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 30_000;
/** QEMU's answer to a word that it obeys at once. */
const WORD_TIMEOUT_MS = 60_000;

export interface VmRunOptions {
  cell: VmCell;
  paths: VmPaths;
  deps: VmHostDeps;
  /** A VM that was ready is none any more. */
  onFault: (error: HearthError) => void;
  log: Log;
}

/** One run of a VM, from the start of its VMM to that one's death: VMM, console and guest. A VM has one more for each hibernation. */
export class VmRun {
  readonly #options: VmRunOptions;
  /** What opens this run; made anew by each daemon. */
  readonly secrets: BootSecrets;
  /** Ends the start under way, and every wait. */
  readonly #life = new AbortController();
  #running: RunningVmm | null = null;
  #capture: ConsoleCapture | null = null;
  #guest: GuestSession | null = null;
  #released = false;
  #lastFault: HearthError | null = null;

  constructor(options: VmRunOptions) {
    this.#options = options;
    this.secrets = options.deps.bootSecrets();
  }

  /** What the guest or its VMM died of, as far as that is known. */
  get lastFault(): HearthError | null {
    return this.#lastFault;
  }

  get isReleased(): boolean {
    return this.#released;
  }

  progress(what: string, timeoutMs: number): Progress {
    return startProgress({ what, timeoutMs, signal: this.#life.signal, log: this.#options.log });
  }

  /** Ends the start under way, for this reason. */
  abort(reason: HearthError): void {
    this.#life.abort(reason);
  }

  /** Everything from a VM's disk and TAP to a guest that is proven to be ready. */
  async start(way: Way): Promise<void> {
    await this.#startVmm(way, await this.#manifest());
    await this.becomeReady();
  }

  /** The running VMM, where there is one. */
  vmm(): RunningVmm {
    if (this.#running === null) throw new HearthError('vmm_failed', 'the VM has no VMM');
    return this.#running;
  }

  guest(): GuestSession {
    if (this.#guest === null) throw new HearthError('control_channel_failed', 'nobody talks with the guest');
    return this.#guest;
  }

  /** Waits for the guest of a running VMM. */
  async becomeReady(): Promise<void> {
    const deadline = await this.#readyDeadline();
    this.watchExit();
    const guest = await this.#openGuest(deadline);
    await guest.untilReady(deadline);
    this.#options.cell.mark('ready', { state: 'ready' });
  }

  /** Takes up a VMM that an earlier daemon started; false where it is dead. */
  async adopt(): Promise<boolean> {
    const { cell, paths, deps } = this.#options;
    const { address, vmm } = cell.record;
    if (address === null) return false;
    const { kernelArguments } = deps.config.vms;
    const spec = vmmSpec(cell.record, address, await this.#manifest(), paths, kernelArguments);
    const progress = this.progress('taking up the VMM', SETUP_TIMEOUT_MS);
    this.#running = await (await deps.vmm()).adopt(spec, vmm, progress);
    if (this.#running === null) return false;
    cell.change({ vmm: this.#running.process });
    return true;
  }

  /** Lets a paused VMM run on. */
  async runOn(): Promise<void> {
    await this.vmm().resume(
      startProgress({ what: 'going on', timeoutMs: WORD_TIMEOUT_MS, log: this.#options.log }),
    );
  }

  /** The control channel of a VM that was ready before, or was paused: identity, token and time go out again. */
  async connectGuest(): Promise<void> {
    try {
      await this.#openGuest(this.progress('control channel', CONNECT_TIMEOUT_MS));
    } catch (error) {
      this.#options.log('the control channel was not taken up again', {
        layer: 'control-channel',
        error: String(error),
      });
    }
  }

  /** While nobody talks with the guest, the next look asks again. */
  thaw(): void {
    this.#guest?.thaw();
  }

  /** Powers the guest off in order, and waits for its VMM's end. Throws what kept it from it. */
  async powerOff(progress: Progress): Promise<void> {
    await this.guest().shutDown(progress);
    await withAbort(this.vmm().exited, progress.signal);
  }

  closeGuest(): void {
    this.#guest?.close();
  }

  /** What a diagnosis looks at. */
  sight(): Pick<DiagnosisSubject, 'vmm' | 'lastFault' | 'words' | 'controlOpen' | 'ask'> {
    return {
      vmm: this.#running,
      lastFault: this.#lastFault,
      words: this.#guest?.words ?? null,
      controlOpen: this.#guest?.isOpen ?? false,
      ask: async (message, progress) => this.guest().ask(message, progress),
    };
  }

  /** Resolves when the agent answered; takes the control channel up again where it was lost. */
  async ping(progress: Progress): Promise<void> {
    if (this.#guest?.isOpen !== true) await this.#openGuest(progress);
    await this.guest().ask({ type: 'ping' }, progress);
  }

  async startCapture(): Promise<void> {
    const { paths, log } = this.#options;
    this.#capture ??= await captureConsole(paths.console, (line) => this.#onConsoleLine(line), log);
  }

  watchExit(): void {
    const running = this.#running;
    if (running === null) return;
    const { cell, onFault } = this.#options;
    void running.exited.then(async (words) => {
      if (this.#released || this.#running !== running) return;
      await this.#stopCapture();
      const { id } = cell.record;
      this.#lastFault ??= new HearthError('vmm_failed', `the VMM is gone: ${words}`, { vmId: id });
      // A start or a hibernation under way takes the reason from its signal; a ready VM has nobody who waits.
      this.#life.abort(this.#lastFault);
      if (cell.record.state === 'ready') onFault(this.#lastFault);
    });
  }

  /** Ends the VMM and what belongs to it; returns once it is confirmed dead. Repeatable. */
  async end(): Promise<void> {
    const running = this.#running;
    this.closeGuest();
    await running?.kill();
    this.#running = null;
    this.#options.cell.change({ vmm: null });
    await this.#stopCapture();
  }

  /** Lets go of the VMM, which runs on. */
  async release(): Promise<void> {
    this.#released = true;
    this.#life.abort(new HearthError('shutting_down', 'the host daemon stops; the VM goes on'));
    this.closeGuest();
    this.#running?.release();
    await this.#stopCapture();
  }

  /** Starts the VMM; where a golden snapshot is refused, from the image. */
  async #startVmm(way: Way, manifest: ImageManifest): Promise<void> {
    const { cell, paths, deps, log } = this.#options;
    const { id, address } = cell.record;
    if (address === null) throw new HearthError('internal', `VM ${id} starts without an address`);
    const deadline = await this.#readyDeadline();
    cell.change({
      ...{ state: 'booting', origin: way.origin, memory: memoryOf(way, cell.record) },
      snapshotId: way.origin === 'snapshot' ? way.golden.manifest.id : null,
      // A boot makes the disk newer than the saved memory, which must never be used again then.
      ...(way.origin === 'image' ? { saved: null, poweredOff: false } : {}),
    });
    try {
      this.#running = await startVmm({
        ...{ way, paths, vmm: await deps.vmm(), progress: deadline },
        spec: vmmSpec(cell.record, address, manifest, paths, deps.config.vms.kernelArguments),
        onSpawned: (process) => cell.change({ vmm: process }),
      });
    } catch (error) {
      if (way.origin !== 'snapshot' || asHearthError(error).code !== 'snapshot_invalid') throw error;
      log('a golden snapshot was refused; the VM boots from the image', { error: String(error) });
      deps.goldens.reject(way.golden.manifest.id, asHearthError(error).detail);
      await makeDisk(
        { origin: 'image' },
        cell.record,
        paths,
        deps,
        this.progress('preparing the VM', SETUP_TIMEOUT_MS),
      );
      await this.#startVmm({ origin: 'image' }, manifest);
      return;
    }
    cell.mark('vmm');
    if (way.origin !== 'image') {
      cell.mark('load');
      // The same holds once it has run on.
      if (way.origin === 'hibernation') cell.change({ saved: null });
      await this.#running.resume(deadline);
      cell.mark('resume');
    }
    if (cell.record.keepsDisk) await rm(paths.savedState, { force: true });
  }

  async #readyDeadline(): Promise<Progress> {
    const { cell, deps } = this.#options;
    const { slowness } = await deps.probe();
    const factor = cell.record.kind === 'browser' ? BROWSER_FACTOR : 1;
    return this.progress('becoming ready', deps.config.vms.readyTimeoutMs * slowness * factor);
  }

  async #openGuest(progress: Progress): Promise<GuestSession> {
    const { cell, deps, log, onFault } = this.#options;
    const { agents, randomBytes, caCertificates, now } = deps;
    const guest = new GuestSession({
      ...{
        agents,
        randomBytes,
        caCertificates,
        now,
        log,
        onFault,
        secrets: this.secrets,
        signal: this.#life.signal,
      },
      ...{ running: this.vmm(), manifest: await this.#manifest(), vm: () => cell.record },
      onPhase: (phase: BootPhase) => cell.mark(phase),
      onCredentials: (held) => cell.holdCredentials(held),
    });
    this.#guest?.close();
    this.#guest = guest;
    // A guest that ran before need not say hello.
    const { origin, phases } = cell.record;
    await guest.connect(origin !== 'image' || phases.some(({ phase }) => phase === 'agent'), progress);
    return guest;
  }

  async #manifest(): Promise<ImageManifest> {
    const { imageId } = this.#options.cell.record;
    const { images } = this.#options.deps;
    return imageId === null ? images.current() : images.byId(imageId);
  }

  #onConsoleLine(line: string): void {
    const { cell } = this.#options;
    const { id, origin, state } = cell.record;
    const sign = readConsoleLine(line);
    // A VM from saved memory is past these; what its console says is about something else.
    if (origin === 'image') cell.mark('kernel');
    if (origin === 'image' && sign?.type === 'phase') cell.mark(sign.phase);
    if (sign?.type !== 'fault') return;
    this.#lastFault = new HearthError(sign.code, sign.detail, { vmId: id });
    if (state === 'booting') this.#life.abort(this.#lastFault);
  }

  async #stopCapture(): Promise<void> {
    const capture = this.#capture;
    this.#capture = null;
    await capture?.stop();
  }
}
