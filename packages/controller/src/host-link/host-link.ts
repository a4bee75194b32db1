import type {
  Drain,
  DriftReport,
  GoneVm,
  GuestCredential,
  HostCapacity,
  HostCreateVm,
  HostEvent,
  HostHealth,
  HostRestartVm,
  HostResumeVm,
  HostVm,
  ProviderId,
  RemovedSnapshot,
  Secret,
  SnapshotId,
  SnapshotList,
  SweepReport,
  TerminalId,
  VmId,
  Why,
} from '@hearth/contract';
import type { Duplex, Readable } from 'node:stream';
import type { DirectSocket } from './direct-socket.ts';

export interface CallOptions {
  signal: AbortSignal;
  /** Correlation id, for the host's log. */
  requestId?: string;
}

/** A call whose body or answer passes through as bytes. */
export interface ByteCall {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  vmId: VmId;
  /** Below /v1/vms/:id/, e.g. `exec`. */
  path: string;
  query?: Record<string, string>;
  body?: string | Readable;
  contentType?: string;
}

export interface ByteAnswer {
  status: number;
  contentType: string | undefined;
  contentLength: string | undefined;
  body: Readable;
}

/** The bytes of a VM's VNC server, from its first on, and the password that it will ask for. */
export interface HostDesktop {
  socket: DirectSocket;
  password: Secret;
}

/**
 * The host daemon, as the controller needs it. Every call throws HearthError: host_unreachable where the daemon
 * does not answer, the reason of the signal where that ended it, and the host's own error where it refused.
 */
export interface HostLink {
  health(options: CallOptions): Promise<HostHealth>;
  capacity(options: CallOptions): Promise<HostCapacity>;
  list(options: CallOptions): Promise<HostVm[]>;
  /** null where the host has no such VM. */
  get(id: VmId, options: CallOptions): Promise<HostVm | null>;
  create(id: VmId, body: HostCreateVm, options: CallOptions): Promise<HostVm>;
  /** Resolves once the VM is hibernated; where it throws what the host says, the VM goes on as before. */
  hibernate(id: VmId, options: CallOptions): Promise<HostVm>;
  /** Resolves once the host took it over; where it throws what the host says, the VM stays hibernated. */
  resume(id: VmId, body: HostResumeVm, options: CallOptions): Promise<HostVm>;
  /** Resolves once the host took it over; throws conflict where the VM is not one that should run. */
  restart(id: VmId, body: HostRestartVm, options: CallOptions): Promise<HostVm>;
  /** Looks at the VM now; `stored`: what was found when it failed or stopped answering. Throws not_found where there is nothing. */
  why(id: VmId, query: { stored: boolean }, options: CallOptions): Promise<Why>;
  /** Removes what has no record, or only tells of it. */
  sweep(body: { dryRun: boolean }, options: CallOptions): Promise<SweepReport>;
  /** The last comparison of book and machine; `now`: one that is made for this call. */
  drift(query: { now: boolean }, options: CallOptions): Promise<DriftReport>;
  drain(options: CallOptions): Promise<Drain>;
  setDrain(body: Drain, options: CallOptions): Promise<Drain>;
  /** The host's own metrics, as Prometheus reads them. */
  metrics(options: CallOptions): Promise<string>;
  snapshots(options: CallOptions): Promise<SnapshotList>;
  removeSnapshot(id: SnapshotId, options: CallOptions): Promise<RemovedSnapshot>;
  /** Resolves once nothing of the VM is left. */
  remove(id: VmId, options: CallOptions): Promise<GoneVm>;
  /** Opens the stream of events; it ends by an error, or with the signal. */
  events(options: CallOptions): Promise<AsyncIterable<HostEvent>>;
  pass(call: ByteCall, options: CallOptions): Promise<ByteAnswer>;
  /** What a ready VM holds of a provider, now; null where it has none. Never logged. */
  getCredential(id: VmId, provider: ProviderId, options: CallOptions): Promise<GuestCredential | null>;
  /** Resolves once the VM has it. */
  putCredential(id: VmId, credential: GuestCredential, options: CallOptions): Promise<void>;
  /** The vault has taken over what the VM holds, if that still has this digest. */
  keptCredential(
    id: VmId,
    provider: ProviderId,
    kept: { version: number; digest: string },
    options: CallOptions,
  ): Promise<void>;
  /** Erases it in the VM, where all that used it has ended then; gives its last content. */
  dropCredential(id: VmId, provider: ProviderId, options: CallOptions): Promise<GuestCredential | null>;
  /** Opens a byte stream to the VNC server of a ready browser VM; the caller ends it. The signal holds until it is open. */
  openDesktop(id: VmId, options: CallOptions): Promise<HostDesktop>;
  /** Opens the framed stream of a terminal (terminal-frames.ts of the contract); as openDesktop otherwise. */
  openTerminal(id: VmId, terminalId: TerminalId, options: CallOptions): Promise<Duplex>;
  close(): Promise<void>;
}
