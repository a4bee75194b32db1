import { EventEmitter, once } from 'node:events';
import {
  HearthError,
  withAbort,
  type HostCreateVm,
  type HostRestartVm,
  type HostResumeVm,
  type HostVm,
  type ImageId,
  type Progress,
  type SnapshotId,
  type VmId,
  type Why,
} from '@hearth/contract';
import type { DisplayEndpoint } from '../desktop/dial-display.ts';
import type { AgentEndpoint } from '../guest-link/agent-client.ts';
import type { VmRecord } from '../journal/vm-records.ts';
import { LiveVm } from './live-vm.ts';
import type { VmCredentials } from './vm-credentials.ts';
import type { VmHostDeps } from './ports.ts';

export interface CreateOptions {
  /** Another image than the current one, for the image gate. */
  imageId?: ImageId;
  /** It is to become a golden snapshot: the new file in which its memory shall lie. */
  goldenMemory?: string;
}

/** All VMs of this host: creates, adopts and destroys them; the one owner of their records. */
export class VmHost {
  readonly #deps: VmHostDeps;
  readonly #vms = new Map<VmId, LiveVm>();
  readonly #events = new EventEmitter<{ vm: [HostVm] }>();

  constructor(deps: VmHostDeps) {
    this.#deps = deps;
    this.#events.setMaxListeners(0);
  }

  list(): HostVm[] {
    return [...this.#vms.values()].map((vm) => vm.view());
  }

  get(id: VmId): HostVm {
    return this.#live(id).view();
  }

  onChange(listener: (vm: HostVm) => void): () => void {
    this.#events.on('vm', listener);
    return () => this.#events.off('vm', listener);
  }

  /**
   * Begins a VM and returns at once; the same id again gives the VM that is there. Throws host_draining, capacity_exceeded; not_found and
   * not_hibernatable where the VM to fork is none that can be.
   */
  create(id: VmId, wanted: HostCreateVm, { imageId, goldenMemory }: CreateOptions = {}): HostVm {
    const present = this.#vms.get(id);
    if (present !== undefined) return present.view();
    const source = wanted.forkOf === undefined ? null : this.#forkable(wanted.forkOf, wanted);
    this.#deps.admission.admit(wanted, this.holding());
    const { kind, cpus, memMiB, diskMiB, desktop, requestedAtMs, requestId } = wanted;
    const vm = this.#add({
      ...{ id, kind, cpus, memMiB, diskMiB, desktop, requestedAtMs, requestId, queue: wanted.queue ?? '' },
      imageId: imageId ?? null,
      ...{
        state: 'creating',
        origin: null,
        address: null,
        phases: [],
        failure: null,
        finding: null,
        version: 0,
      },
      ...{ vmm: null },
      ...{ snapshotId: null, machineId: null, saved: null, keepsDisk: false, used: false },
      ...{ credentials: [], heldSecret: false, poweredOff: false },
      memory: goldenMemory === undefined ? null : { path: goldenMemory, shared: true },
    });
    vm.begin({ cold: wanted.start === 'cold', source });
    return vm.view();
  }

  /** Saves a CLI VM to files and frees the rest of it. Throws not_found, not_hibernatable, disk_full, snapshot_failed. */
  async hibernate(id: VmId): Promise<HostVm> {
    const vm = this.#live(id);
    await vm.hibernate();
    return vm.view();
  }

  /** Begins to bring a hibernated VM back. Throws host_draining, not_found, not_hibernatable, capacity_exceeded, snapshot_invalid. */
  async resume(id: VmId, request: HostResumeVm): Promise<HostVm> {
    const vm = this.#live(id);
    if (vm.record.state === 'hibernated') this.#deps.admission.admit(vm.record, this.holding());
    await vm.resume(request);
    return vm.view();
  }

  /** Begins to boot the disk of a ready CLI VM anew. Throws not_found, conflict. */
  async restart(id: VmId, request: HostRestartVm): Promise<HostVm> {
    const vm = this.#live(id);
    await vm.restart(request);
    return vm.view();
  }

  /**
   * Why a VM can't be reached: looked at now, or, for one that failed or fell asleep by a failure or where `stored` is asked for, as it was
   * kept. Throws not_found where there is neither.
   */
  async why(id: VmId, { stored }: { stored: boolean }, signal: AbortSignal): Promise<Why> {
    const vm = this.#vms.get(id);
    // A VM fails at once; what it failed of is found a little later.
    if (vm !== undefined) await withAbort(vm.health.explained(), signal);
    const kept = await this.#deps.diagnosis.find(id);
    const gaveUp = vm === undefined || vm.record.state === 'failed' || vm.record.finding !== null;
    if (kept !== null && (stored || (gaveUp && vm?.record.state !== 'ready'))) return kept;
    if (stored) throw new HearthError('not_found', `nothing was ever found wrong with ${id}`, { vmId: id });
    return this.#live(id).health.diagnose('asked', signal);
  }

  /** All of them, for the watchdog. */
  living(): Iterable<LiveVm> {
    return this.#vms.values();
  }

  /** Control channels of the VMs that are ready. */
  controlChannels(): { open: number; closed: number } {
    const counts = { open: 0, closed: 0 };
    for (const vm of this.#vms.values())
      if (vm.record.state === 'ready') counts[vm.health.hearsGuest() ? 'open' : 'closed'] += 1;
    return counts;
  }

  /** See LiveVm. Throws conflict for a VM that is in use or was not created with `goldenMemory`. */
  async saveGolden(id: VmId, statePath: string, progress: Progress): Promise<void> {
    await this.#live(id).saveGolden(statePath, progress);
  }

  /** For the maker of a golden snapshot only: looking at its VM is no use. */
  makersEndpoint(id: VmId): AgentEndpoint {
    return this.#live(id).makersEndpoint();
  }

  /** How many living VMs were cloned from that snapshot. */
  clonesOf(snapshotId: SnapshotId): number {
    return [...this.#vms.values()].filter(
      ({ record }) => record.snapshotId === snapshotId && record.vmm !== null,
    ).length;
  }

  /** Ends a VM in whatever state; returns once nothing but its console is left. Unknown ids are gone already. */
  async destroy(id: VmId): Promise<void> {
    const vm = this.#vms.get(id);
    if (vm === undefined) return;
    await vm.destroy();
    this.#vms.delete(id);
  }

  /** Where the agent of a ready VM is. Throws not_found, vm_not_ready. */
  endpoint(id: VmId): AgentEndpoint {
    return this.#live(id).endpoint();
  }

  /** Where the VNC server of a ready browser VM is. Throws not_found, not_a_desktop, vm_not_ready. */
  display(id: VmId): DisplayEndpoint {
    return this.#live(id).display();
  }

  /** What passes its control channel for credentials. Throws not_found, vm_not_ready, control_channel_failed. */
  credentials(id: VmId): VmCredentials {
    return this.#live(id).credentials();
  }

  /** Is a VM there from which more console can come? */
  isLive(id: VmId): boolean {
    const state = this.#vms.get(id)?.view().state;
    return state !== undefined && ['creating', 'booting', 'ready', 'hibernating'].includes(state);
  }

  async waitFor(id: VmId, isOver: (vm: HostVm) => boolean, progress: Progress): Promise<HostVm> {
    for (;;) {
      const vm = this.get(id);
      if (isOver(vm)) return vm;
      await once(this.#events, 'vm', { signal: progress.signal });
    }
  }

  /** Takes up what an earlier daemon left: living VMMs go on, the rest is failed and swept. */
  async adopt(): Promise<void> {
    for (const record of this.#deps.records.load()) {
      const vm = this.#add(record);
      await vm.adopt();
      if (vm.view().state !== 'gone') continue;
      // Its removal may have ended between its last word and this.
      this.#deps.records.remove(record.id);
      this.#vms.delete(record.id);
    }
  }

  /** Lets go of all VMs without ending them. */
  async release(): Promise<void> {
    await Promise.all([...this.#vms.values()].map((vm) => vm.release()));
  }

  /** Before the daemon ends for good: saves CLI VMs or deletes what runs; hibernated ones stay. One that can't be ended stays, and is told. */
  async endAll(fate: 'hibernate' | 'delete'): Promise<void> {
    await Promise.all(
      [...this.#vms.values()].map(async (vm) => {
        const { id, kind, state } = vm.record;
        if (state === 'hibernated') return;
        try {
          if (fate === 'hibernate' && kind === 'cli' && state === 'ready') await vm.hibernate();
          else await this.destroy(id);
        } catch (error) {
          this.#deps.log('a VM goes on, as it could not be ended', { vmId: id, error: String(error) });
        }
      }),
    );
  }

  /** The host saw a lease being acknowledged (the boot timeline's `network`). */
  onLease(ip: string): void {
    for (const vm of this.#vms.values()) vm.onLease(ip);
  }

  /** VMs for which the machine must keep room. */
  holding(): Pick<VmRecord, 'id' | 'state' | 'cpus' | 'memMiB'>[] {
    return this.records().filter(({ state }) => !['failed', 'hibernated', 'gone'].includes(state));
  }

  /** What is written down of each VM, now. */
  records(): VmRecord[] {
    return [...this.#vms.values()].map(({ record }) => record);
  }

  #add(record: VmRecord): LiveVm {
    const vm = new LiveVm(record, this.#deps, (view) => this.#events.emit('vm', view));
    this.#vms.set(record.id, vm);
    return vm;
  }

  #forkable(id: VmId, wanted: HostCreateVm): LiveVm {
    const source = this.#live(id);
    const { kind, state, cpus, memMiB, diskMiB } = source.view();
    if (kind !== 'cli' || (state !== 'ready' && state !== 'hibernated'))
      throw new HearthError('not_hibernatable', `VM ${id} is a ${kind} VM in state ${state}`, { vmId: id });
    if (
      wanted.kind !== kind ||
      wanted.cpus !== cpus ||
      wanted.memMiB !== memMiB ||
      wanted.diskMiB !== diskMiB
    )
      throw new HearthError('bad_request', `a fork has the kind and size of ${id}`);
    return source;
  }

  #live(id: VmId): LiveVm {
    const vm = this.#vms.get(id);
    if (vm === undefined)
      throw new HearthError('not_found', `there is no VM ${id} on this host`, { vmId: id });
    return vm;
  }
}
