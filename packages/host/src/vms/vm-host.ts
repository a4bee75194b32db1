import { EventEmitter, once } from 'node:events';
import {
  HearthError,
  type HostCreateVm,
  type HostVm,
  type ImageId,
  type Progress,
  type VmId,
} from '@hearth/contract';
import type { DisplayEndpoint } from '../desktop/dial-display.ts';
import type { AgentEndpoint } from '../guest-link/agent-client.ts';
import type { VmRecord } from '../journal/vm-records.ts';
import { checkRoom } from './admission.ts';
import { LiveVm } from './live-vm.ts';
import type { VmHostDeps } from './ports.ts';

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
   * Begins a VM and returns at once; the same id again gives the VM that is there.
   * @param imageId another image than the current one, for the image gate
   */
  create(id: VmId, wanted: HostCreateVm, imageId?: ImageId): HostVm {
    const present = this.#vms.get(id);
    if (present !== undefined) return present.view();
    checkRoom(this.#deps.config, wanted, this.holding());
    const record: VmRecord = {
      ...{ id, kind: wanted.kind, cpus: wanted.cpus, memMiB: wanted.memMiB, diskMiB: wanted.diskMiB },
      desktop: wanted.desktop,
      ...{ requestedAtMs: wanted.requestedAtMs, requestId: wanted.requestId },
      ...{
        state: 'creating',
        imageId: imageId ?? null,
        address: null,
        phases: [],
        failure: null,
        version: 0,
        vmm: null,
      },
    };
    const vm = this.#add(record);
    vm.save();
    vm.begin();
    return vm.view();
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

  /** Is a VM there from which more console can come? */
  isLive(id: VmId): boolean {
    const state = this.#vms.get(id)?.view().state;
    return state === 'creating' || state === 'booting' || state === 'ready';
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
      if (vm.view().state === 'gone') this.#vms.delete(record.id);
    }
  }

  /** Lets go of all VMs without ending them. */
  async release(): Promise<void> {
    await Promise.all([...this.#vms.values()].map((vm) => vm.release()));
  }

  /** The host saw a lease being acknowledged (the boot timeline's `network`). */
  onLease(ip: string): void {
    for (const vm of this.#vms.values()) vm.onLease(ip);
  }

  /** VMs for which the machine must keep room. */
  holding(): HostVm[] {
    return this.list().filter(({ state }) => state !== 'failed' && state !== 'gone');
  }

  #add(record: VmRecord): LiveVm {
    const vm = new LiveVm(record, this.#deps, (view) => this.#events.emit('vm', view));
    this.#vms.set(record.id, vm);
    return vm;
  }

  #live(id: VmId): LiveVm {
    const vm = this.#vms.get(id);
    if (vm === undefined)
      throw new HearthError('not_found', `there is no VM ${id} on this host`, { vmId: id });
    return vm;
  }
}
