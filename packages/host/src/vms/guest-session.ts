import {
  HearthError,
  startProgress,
  withAbort,
  type BootPhase,
  type GuestMessage,
  type HeldCredential,
  type ImageManifest,
  type Log,
  type Progress,
} from '@hearth/contract';
import type { AgentClient } from '../guest-link/agent-client.ts';
import {
  openControlChannel,
  type ControlChannel,
  type ControlRequest,
} from '../guest-link/control-channel.ts';
import type { VmRecord } from '../journal/vm-records.ts';
import type { RunningVmm } from '../vmm/vmm.ts';
import type { BootSecrets } from './boot-secrets.ts';
import {
  judgeWords,
  listen,
  missingServices,
  noWords,
  verifyOverNetwork,
  type GuestWords,
} from './readiness.ts';

const CONFIGURE_TIMEOUT_MS = 30_000;
const THAW_TIMEOUT_MS = 60_000;
/** A `hello` that comes so soon after an identity went out is no request for another one. */
const CONFIGURE_QUIET_MS = 5000;
const SEED_BYTES = 64;

export interface GuestSessionOptions {
  running: RunningVmm;
  secrets: BootSecrets;
  agents: AgentClient;
  randomBytes: (size: number) => Buffer;
  now: () => number;
  /** The VM's record as it is now. */
  vm: () => VmRecord;
  manifest: ImageManifest;
  onPhase: (phase: BootPhase) => void;
  /** What credentials the guest says that it has. */
  onCredentials: (held: HeldCredential[]) => void;
  /** Certificate authorities that the guest shall trust, PEM. */
  caCertificates: readonly string[];
  /** A VM that was ready broke a promise. */
  onFault: (error: HearthError) => void;
  /** Ends every wait. */
  signal: AbortSignal;
  log: Log;
}

/** What is asked about credentials. */
export type CredentialMessage = Extract<ControlRequest, { type: `credential-${string}` }>;
/** What is asked about the guest itself. */
export type ViewMessage = Extract<ControlRequest, { type: 'report' | 'ping' }>;

/** The host's talk with the guest of one running VMM: gives it its identity, hears what it says, judges whether it is ready. */
export class GuestSession {
  readonly #options: GuestSessionOptions;
  #channel: ControlChannel | null = null;
  #words = noWords();
  #heard = Promise.withResolvers<undefined>();
  #configuredAtMs = -Infinity;
  #thawing: Promise<void> | null = null;

  constructor(options: GuestSessionOptions) {
    this.#options = options;
  }

  /**
   * Opens the control channel.
   * @param known the guest ran before, under an earlier daemon or in saved memory: it gets its identity without asking for it
   */
  async connect(known: boolean, progress: Progress): Promise<void> {
    const { running, log } = this.#options;
    const stream = await running.openControl(progress);
    const channel = openControlChannel(stream, (message) => this.#onMessage(message), log);
    this.#channel = channel;
    void channel.closed.then(() => {
      if (this.#channel === channel) this.#channel = null;
    });
    if (known) void this.#configure();
  }

  /** Resolves once the guest is proven to be this VM, at its address, with all of its kind running. */
  async untilReady(deadline: Progress): Promise<void> {
    const { agents, secrets, manifest } = this.#options;
    try {
      while (!judgeWords(this.#words, this.#options.vm(), manifest))
        await withAbort(this.#heard.promise, deadline.signal);
      const vm = this.#options.vm();
      const ip = vm.address?.ip;
      if (ip === undefined) throw new HearthError('internal', `VM ${vm.id} comes up without an address`);
      const endpoint = { ip, token: secrets.token };
      await verifyOverNetwork(() => agents.health(endpoint, deadline), vm, deadline);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Someone looks: what was frozen in the snapshot runs on. Asked for once; a failure is logged, and the next look asks again. */
  thaw(): void {
    this.#thawing ??= this.#thaw().catch((error: unknown) => {
      this.#thawing = null;
      this.#options.log('the guest was not thawed', { layer: 'control-channel', error: String(error) });
    });
  }

  /** Has the guest forget who it is and stand still, then lets go of it. */
  async prepareSnapshot(progress: Progress): Promise<void> {
    await this.#open().request({ type: 'prepare-snapshot' }, progress);
    this.close();
  }

  /** Has the guest power itself off; its VMM's end follows. */
  async shutDown(progress: Progress): Promise<void> {
    await this.#open().request({ type: 'shutdown' }, progress);
  }

  /** What the guest said so far. */
  get words(): GuestWords {
    return this.#words;
  }

  get isOpen(): boolean {
    return this.#channel !== null;
  }

  /** Asks something. Throws control_channel_failed. */
  async ask(message: CredentialMessage | ViewMessage, progress: Progress): Promise<unknown> {
    return await this.#open().request(message, progress);
  }

  close(): void {
    this.#channel?.close();
  }

  async #thaw(): Promise<void> {
    const progress = this.#progress('thawing the guest', THAW_TIMEOUT_MS);
    await this.#open().request({ type: 'thaw' }, progress);
    this.#options.onPhase('thaw');
  }

  #open(): ControlChannel {
    if (this.#channel === null)
      throw new HearthError('control_channel_failed', 'the control channel is closed');
    return this.#channel;
  }

  #onMessage(message: GuestMessage): void {
    this.#words = listen(this.#words, message);
    if (message.type === 'hello') {
      this.#options.onPhase('agent');
      if (performance.now() - this.#configuredAtMs > CONFIGURE_QUIET_MS) void this.#configure();
    }
    if (message.type === 'credentials') this.#options.onCredentials(message.credentials);
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
    const { state, address } = this.#options.vm();
    if (state !== 'ready' || ip === null || ip === address?.ip) return;
    this.#options.onFault(
      new HearthError(
        'address_mismatch',
        `the guest changed to ${ip}, the address book has ${address?.ip ?? 'none'} for it`,
      ),
    );
  }

  async #configure(): Promise<void> {
    const { secrets, randomBytes, caCertificates, now, log } = this.#options;
    const { id, kind, address, desktop, requestId } = this.#options.vm();
    const channel = this.#channel;
    if (address === null || channel === null) return;
    this.#configuredAtMs = performance.now();
    const { hostname, machineId, mac } = address;
    try {
      await channel.request(
        {
          type: 'configure',
          requestId,
          identity: { vmId: id, kind, hostname, machineId, mac },
          token: secrets.token.reveal(),
          display: desktop === null ? null : { geometry: desktop, vncPassword: secrets.vncPassword.reveal() },
          seed: randomBytes(SEED_BYTES).toString('base64'),
          caCertificates: [...caCertificates],
          hostTimeMs: now(),
        },
        this.#progress('handing over the identity', CONFIGURE_TIMEOUT_MS),
      );
      this.#words = { ...this.#words, configured: true };
      this.#options.onPhase('identity');
      this.#wake();
    } catch (error) {
      this.#configuredAtMs = -Infinity;
      log('the guest was not configured', { layer: 'control-channel', error: String(error) });
    }
  }

  #progress(what: string, timeoutMs: number): Progress {
    return startProgress({ what, timeoutMs, signal: this.#options.signal });
  }

  /** A deadline says little; what the guest last said tells which layer it waited for. */
  #explain(error: unknown): unknown {
    if (!(error instanceof HearthError) || error.code !== 'deadline_exceeded') return error;
    const { id, address, phases, origin } = this.#options.vm();
    const { helloVersion, ip, services, configured } = this.#words;
    const explained = (code: 'guest_not_ready' | 'control_channel_failed', detail: string): HearthError =>
      new HearthError(code, detail, { vmId: id, cause: error });
    const reached = phases.at(-1)?.phase ?? 'nothing';
    const cameFrom = origin === 'image' ? '' : ` (it came from saved memory: ${origin ?? 'unknown'})`;
    if (helloVersion === null)
      return explained(
        'guest_not_ready',
        `the agent never spoke on the control channel; the last phase reached was '${reached}'${cameFrom}`,
      );
    if (!configured)
      return explained('control_channel_failed', `the agent did not take its identity${cameFrom}`);
    if (ip === null)
      return explained(
        'guest_not_ready',
        `the guest got no address by DHCP (booked: ${address?.ip ?? 'none'})${cameFrom}`,
      );
    return explained('guest_not_ready', missingServices(services) || error.detail);
  }
}
