import { rm } from 'node:fs/promises';
import {
  asHearthError,
  HearthError,
  Secret,
  startProgress,
  toFailure,
  VNC_PORT,
  withAbort,
  type BootPhase,
  type GuestMessage,
  type HostVm,
  type ImageManifest,
  type Log,
  type Progress,
} from '@hearth/contract';
import { captureConsole, type ConsoleCapture } from '../console/console-capture.ts';
import type { DisplayEndpoint } from '../desktop/dial-display.ts';
import type { AgentEndpoint } from '../guest-link/agent-client.ts';
import { openControlChannel, type ControlChannel } from '../guest-link/control-channel.ts';
import type { VmRecord } from '../journal/vm-records.ts';
import type { RunningVmm } from '../vmm/vmm.ts';
import { makeDisks, vmmSpec } from './boot.ts';
import { readConsoleLine } from './console-signs.ts';
import { judgeWords, listen, missingServices, noWords, verifyOverNetwork } from './readiness.ts';
import type { VmHostDeps } from './ports.ts';
import { vmPaths, type VmPaths } from './vm-paths.ts';

/** A browser VM paints a desktop and starts a browser before it is ready. */
const BROWSER_FACTOR = 3;
/** How long a boot may wait for its turn. */
const QUEUE_TIMEOUT_MS = 15 * 60_000;
const CONFIGURE_TIMEOUT_MS = 30_000;
const SETUP_TIMEOUT_MS = 60_000;

/** One VM from its record to its end. All changes of its state happen here. */
export class LiveVm {
  readonly #deps: VmHostDeps;
  readonly #paths: VmPaths;
  readonly #emit: (view: HostVm) => void;
  readonly #log: Log;
  /** Ends the boot, and the waits of a VM that is taken down. */
  readonly #life = new AbortController();
  readonly #token: Secret;
  readonly #vncPassword: Secret;
  #record: VmRecord;
  #running: RunningVmm | null = null;
  #capture: ConsoleCapture | null = null;
  #channel: ControlChannel | null = null;
  #manifest: ImageManifest | null = null;
  #words = noWords();
  #heard = Promise.withResolvers<undefined>();
  #boot: Promise<void> = Promise.resolve();
  #ending: Promise<void> | null = null;
  #released = false;
  #lastFault: HearthError | null = null;

  constructor(record: VmRecord, deps: VmHostDeps, emit: (view: HostVm) => void) {
    this.#record = record;
    this.#deps = deps;
    this.#emit = emit;
    this.#paths = vmPaths(deps.config, record.id);
    // 256 bits, new for each boot and each daemon; handed over by the control channel only.
    this.#token = new Secret(deps.randomBytes(32).toString('base64url'));
    // VncAuth takes eight characters and no more.
    this.#vncPassword = new Secret(deps.randomBytes(6).toString('base64url'));
    this.#log = (message, fields) =>
      deps.log(message, { vmId: record.id, requestId: record.requestId, ...fields });
  }

  view(): HostVm {
    const { requestedAtMs: _requestedAtMs, requestId: _requestId, vmm: _vmm, ...view } = this.#record;
    return view;
  }

  endpoint(): AgentEndpoint {
    const { id, state, address } = this.#record;
    if (state !== 'ready' || address === null)
      throw new HearthError('vm_not_ready', `VM ${id} is ${state}`, { vmId: id });
    return { ip: address.ip, token: this.#token };
  }

  display(): DisplayEndpoint {
    if (this.#record.desktop === null)
      throw new HearthError('not_a_desktop', `VM ${this.#record.id} is a ${this.#record.kind} VM`, {
        vmId: this.#record.id,
      });
    return { ip: this.endpoint().ip, port: VNC_PORT, password: this.#vncPassword };
  }

  /** Writes the record down without announcing a change. */
  save(): void {
    this.#deps.records.put(this.#record);
  }

  begin(): void {
    this.#boot = this.#bootFromNothing();
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
    this.#channel?.close();
    this.#running?.release();
    await this.#boot;
    await this.#capture?.stop();
  }

  async adopt(): Promise<void> {
    const { state, address } = this.#record;
    if (state === 'gone' || (state === 'failed' && address === null)) return;
    if (state === 'failed' || state === 'deleting') {
      await this.#finishEnding(state);
      return;
    }
    try {
      if (address === null || !(await this.#adoptVmm())) {
        throw new HearthError('vmm_failed', 'its VMM was not running when the host daemon started');
      }
      await this.#startCapture();
      this.#log('VM taken up', { pid: this.#running?.process.pid });
      if (state === 'ready') {
        this.#watchExit();
        this.#boot = this.#reconnect();
      } else {
        this.#boot = this.#guarded(async () => {
          await this.#becomeReady(await this.#readyDeadline());
        });
      }
    } catch (error) {
      await this.#fail(asHearthError(error));
    }
  }

  /** The daemon before us died while it gave back what this VM held. What fails again is tried at the next removal. */
  async #finishEnding(state: 'failed' | 'deleting'): Promise<void> {
    try {
      await this.#adoptVmm();
      await (state === 'failed' ? this.#teardown() : this.destroy());
    } catch (error) {
      this.#log('a VM that was ending could not be cleared away yet', { error: String(error) });
    }
  }

  async #bootFromNothing(): Promise<void> {
    await this.#guarded(async () => {
      const queue = startProgress({
        what: 'wait for a boot slot',
        timeoutMs: QUEUE_TIMEOUT_MS,
        signal: this.#life.signal,
      });
      const giveBack = await this.#deps.slots.take(queue);
      try {
        this.#mark('admitted');
        const setup = startProgress({
          what: 'preparing the VM',
          timeoutMs: SETUP_TIMEOUT_MS,
          signal: this.#life.signal,
          log: this.#log,
        });
        const { config, images, addresses, network } = this.#deps;
        const imageId = this.#record.imageId;
        const manifest = imageId === null ? await images.current() : await images.byId(imageId);
        this.#manifest = manifest;
        const address = addresses.allocate(this.#record.id);
        this.#change({ imageId: manifest.id, address });
        const vmm = await this.#deps.vmm();
        await makeDisks(this.#record, this.#paths, config, images, setup);
        this.#mark('disk');
        await network.attach(address, setup);
        this.#mark('tap');
        await this.#startCapture();
        const deadline = await this.#readyDeadline();
        this.#change({ state: 'booting' });
        this.#running = await vmm.start(
          vmmSpec(this.#record, address, manifest, this.#paths),
          deadline,
          (process) => this.#change({ vmm: process }),
        );
        this.#mark('vmm');
        await this.#becomeReady(deadline);
      } finally {
        giveBack();
      }
    });
  }

  /** Runs a boot; what goes wrong becomes the VM's failure, an end from outside does not. */
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
    const timeoutMs = this.#deps.config.vms.readyTimeoutMs * slowness * factor;
    return startProgress({ what: 'becoming ready', timeoutMs, signal: this.#life.signal, log: this.#log });
  }

  async #becomeReady(deadline: Progress): Promise<void> {
    const { id, address } = this.#record;
    if (address === null) throw new HearthError('internal', `VM ${id} boots without an address`);
    this.#watchExit();
    await this.#connect(deadline);
    const manifest = await this.#imageManifest();
    try {
      while (!judgeWords(this.#words, this.#record, manifest))
        await withAbort(this.#heard.promise, deadline.signal);
      const probing = { ip: address.ip, token: this.#token };
      await verifyOverNetwork(() => this.#deps.agents.health(probing, deadline), this.#record, deadline);
    } catch (error) {
      throw this.#explainWait(asHearthError(error));
    }
    this.#mark('ready', { state: 'ready' });
  }

  /** A deadline says little; what the guest last said tells which layer it waited for. */
  #explainWait(error: HearthError): HearthError {
    if (error.code !== 'deadline_exceeded') return error;
    const { id, address, phases } = this.#record;
    const { helloVersion, ip, services, configured } = this.#words;
    const reached = phases.at(-1)?.phase ?? 'nothing';
    if (helloVersion === null)
      return new HearthError(
        'guest_not_ready',
        `the agent never spoke on the control channel; the last phase reached was '${reached}'`,
        { vmId: id, cause: error },
      );
    if (ip === null)
      return new HearthError(
        'guest_not_ready',
        `the guest got no address by DHCP (booked: ${address?.ip ?? 'none'})`,
        { vmId: id, cause: error },
      );
    if (!configured)
      return new HearthError('control_channel_failed', 'the agent did not take its identity', {
        vmId: id,
        cause: error,
      });
    return new HearthError('guest_not_ready', missingServices(services) || error.detail, {
      vmId: id,
      cause: error,
    });
  }

  async #imageManifest(): Promise<ImageManifest> {
    const { imageId } = this.#record;
    if (imageId === null) throw new HearthError('internal', `VM ${this.#record.id} boots without an image`);
    this.#manifest ??= await this.#deps.images.byId(imageId);
    return this.#manifest;
  }

  async #connect(progress: Progress): Promise<void> {
    if (this.#running === null) throw new HearthError('control_channel_failed', 'the VM has no VMM');
    const stream = await this.#running.openControl(progress);
    const channel = openControlChannel(stream, (message) => this.#onMessage(message), this.#log);
    this.#channel = channel;
    void channel.closed.then(() => {
      if (this.#channel === channel) this.#channel = null;
    });
    // A guest that was configured by an earlier daemon need not say hello again.
    if (this.#record.phases.some(({ phase }) => phase === 'agent')) void this.#configure();
  }

  #onMessage(message: GuestMessage): void {
    this.#words = listen(this.#words, message);
    if (message.type === 'hello') {
      this.#mark('agent');
      void this.#configure();
    }
    if (message.type === 'address') this.#checkAddress(message.address.ip);
    this.#wake();
  }

  /** Whoever waits for words of the guest looks again. */
  #wake(): void {
    this.#heard.resolve(undefined);
    this.#heard = Promise.withResolvers<undefined>();
  }

  /** F1: also a VM that is ready already must keep the address that is booked for it. */
  #checkAddress(ip: string | null): void {
    const { state, address } = this.#record;
    if (state !== 'ready' || ip === null || ip === address?.ip) return;
    void this.#fail(
      new HearthError(
        'address_mismatch',
        `the guest changed to ${ip}, the address book has ${address?.ip ?? 'none'} for it`,
      ),
    );
  }

  async #configure(): Promise<void> {
    const { id, kind, address, desktop } = this.#record;
    const channel = this.#channel;
    if (address === null || channel === null) return;
    const progress = startProgress({
      what: 'handing over the identity',
      timeoutMs: CONFIGURE_TIMEOUT_MS,
      signal: this.#life.signal,
    });
    const identity = { vmId: id, kind, hostname: address.hostname, machineId: address.machineId };
    const display = desktop === null ? null : { geometry: desktop, vncPassword: this.#vncPassword.reveal() };
    try {
      await channel.request(
        { type: 'configure', identity, token: this.#token.reveal(), display, hostTimeMs: Date.now() },
        progress,
      );
      this.#words = { ...this.#words, configured: true };
      this.#wake();
    } catch (error) {
      this.#log('the guest was not configured', { layer: 'control-channel', error: String(error) });
    }
  }

  /** The control channel of a VM that was ready before the daemon restarted: its token is new. */
  async #reconnect(): Promise<void> {
    const progress = startProgress({
      what: 'control channel',
      timeoutMs: CONFIGURE_TIMEOUT_MS,
      signal: this.#life.signal,
    });
    try {
      await this.#connect(progress);
    } catch (error) {
      this.#log('the control channel was not taken up again', {
        layer: 'control-channel',
        error: String(error),
      });
    }
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
    this.#mark('kernel');
    if (sign?.type === 'phase') this.#mark(sign.phase);
    if (sign?.type === 'fault' && this.#record.state === 'booting') {
      this.#life.abort(new HearthError(sign.code, sign.detail, { vmId: this.#record.id }));
    }
    if (sign?.type === 'fault')
      this.#lastFault = new HearthError(sign.code, sign.detail, { vmId: this.#record.id });
  }

  /** The host saw the guest's lease being acknowledged. */
  onLease(ip: string): void {
    if (ip === this.#record.address?.ip) this.#mark('network');
  }

  #watchExit(): void {
    const running = this.#running;
    if (running === null) return;
    void running.exited.then(async (words) => {
      if (this.#released || this.#ending !== null || this.#record.state === 'failed') return;
      await this.#capture?.stop();
      this.#capture = null;
      const error =
        this.#lastFault ??
        new HearthError('vmm_failed', `the VMM is gone: ${words}`, { vmId: this.#record.id });
      // A boot under way takes the reason from its signal; a ready VM fails here.
      this.#life.abort(error);
      if (this.#record.state === 'ready') await this.#fail(error);
    });
  }

  async #adoptVmm(): Promise<boolean> {
    const { address, vmm } = this.#record;
    if (address === null) return false;
    const progress = startProgress({
      what: 'taking up the VMM',
      timeoutMs: SETUP_TIMEOUT_MS,
      log: this.#log,
    });
    const spec = vmmSpec(this.#record, address, await this.#imageManifest(), this.#paths);
    this.#running = await (await this.#deps.vmm()).adopt(spec, vmm, progress);
    if (this.#running === null) return false;
    this.#change({ vmm: this.#running.process });
    return true;
  }

  /** The state is durable first (F21); then everything that the VM held is given back. */
  async #fail(error: HearthError): Promise<void> {
    if (this.#record.state === 'failed') return;
    this.#log('VM failed', { code: error.code, layer: error.layer, detail: error.detail });
    this.#change({ state: 'failed', failure: toFailure(error, new Date(this.#deps.now())) });
    try {
      await this.#teardown();
    } catch (cause) {
      this.#log('a failed VM left something behind', { error: String(cause) });
    }
  }

  async #end(): Promise<void> {
    this.#change({ state: 'deleting' });
    this.#life.abort(
      new HearthError('vm_deleted', 'the VM was deleted while it was booting', { vmId: this.#record.id }),
    );
    await this.#boot;
    await this.#teardown();
    this.#change({ state: 'gone' });
    this.#deps.records.remove(this.#record.id);
  }

  /** Gives everything back, in an order in which an address is never free before its VMM is dead (F17). Repeatable. */
  async #teardown(): Promise<void> {
    const { id, address } = this.#record;
    this.#channel?.close();
    await this.#running?.kill();
    this.#running = null;
    this.#change({ vmm: null });
    await this.#capture?.stop();
    this.#capture = null;
    if (address !== null) {
      await this.#deps.network.detach(address);
      this.#deps.addresses.free(id);
      this.#change({ address: null });
    }
    await rm(this.#paths.folder, { recursive: true, force: true });
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
