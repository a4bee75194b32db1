import {
  HearthError,
  layerOfCheck,
  makeFinding,
  toFailure,
  whyCauses,
  type Address,
  type BootPhase,
  type Finding,
  type HostCreateVm,
  type HostEvent,
  type HostResumeVm,
  type GoneVm,
  type HeldCredential,
  type HostVm,
  type ImageId,
  type VmId,
  type VmKind,
  type VmOrigin,
  type WhyCause,
} from '@hearth/contract';

/** What the fake is told to do; may be changed at any time, for what comes next. */
export interface FakeHostScript {
  /** From PUT to ready. */
  bootMs: number;
  /** Boots stop before `ready` and stay there. */
  holdBoot: boolean;
  /** Boots fail with this after `bootMs`. */
  failBoot: HearthError | null;
  /** What `why` finds of boots that fail. */
  failCause: WhyCause | null;
  /** PUT is refused with this. */
  refuseCreate: HearthError | null;
  /** How long PUT takes to answer. */
  createDelayMs: number;
  /** How long DELETE takes until nothing is left. */
  removeDelayMs: number;
  /** DELETE is refused with this. */
  refuseRemove: HearthError | null;
  /** Health says this; null: all is well. */
  degraded: string | null;
  /** How long a hibernation takes. */
  hibernateMs: number;
  /** A hibernation fails with this, after `hibernateMs`; the VM goes on. */
  failHibernate: HearthError | null;
  /** A resumption fails with this, after `bootMs`; the VM is hibernated again. */
  failResume: HearthError | null;
  /** POST …/resume is refused with this. */
  refuseResume: HearthError | null;
  /** Kinds that have a golden snapshot: VMs of them come up from it. */
  goldenKinds: VmKind[];
  /** The image that VMs boot, and that golden snapshots are of. */
  imageId: ImageId;
  /** Creations and resumptions are refused. */
  draining: boolean;
  memMiB: number;
  cpus: number;
  /** What the address pool holds. */
  addresses: number;
}

export const defaultScript: FakeHostScript = {
  bootMs: 20,
  holdBoot: false,
  failBoot: null,
  failCause: null,
  refuseCreate: null,
  createDelayMs: 0,
  removeDelayMs: 0,
  refuseRemove: null,
  degraded: null,
  hibernateMs: 10,
  failHibernate: null,
  failResume: null,
  refuseResume: null,
  goldenKinds: [],
  imageId: 'img-0123456789ab' as ImageId,
  draining: false,
  memMiB: 65_536,
  cpus: 16,
  addresses: 200,
};

/** VMs that are numbers and timers. */
export interface Machines {
  get(id: VmId): HostVm | undefined;
  list(): HostVm[];
  create(id: VmId, body: HostCreateVm): HostVm;
  remove(id: VmId): Promise<GoneVm>;
  hibernate(id: VmId): Promise<HostVm>;
  resume(id: VmId, body: HostResumeVm): HostVm;
  restart(id: VmId): HostVm;
  /** Whose turn its creation took. */
  queueOf(id: VmId): string | undefined;
  /** A ready VM stops to answer because of that; null: it answers again. */
  sicken(id: VmId, cause: WhyCause | null): void;
  /** The VMM dies. */
  crash(id: VmId, error: HearthError): void;
  /** The VM vanishes without a word, as after a crash of the machine. */
  lose(id: VmId): void;
  /** Its guest says what credentials it has. */
  holds(id: VmId, credentials: HeldCredential[]): void;
  /** Makes a VM that nobody asked for. */
  plant(id: VmId): void;
  subscribe(listener: (event: HostEvent) => void): () => void;
  /** What the VM wrote on its console; kept after it is gone. */
  consoleOf(id: VmId): string | undefined;
  writeConsole(id: VmId, text: string): void;
  onConsole(id: VmId, listener: (text: string) => void): () => void;
  stop(): void;
}

/** What is passed on each way up. */
const phasesOf: Readonly<Record<VmOrigin, readonly BootPhase[]>> = {
  image: ['admitted', 'disk', 'tap', 'vmm', 'kernel', 'init', 'network', 'agent', 'identity', 'ready'],
  snapshot: ['admitted', 'disk', 'tap', 'vmm', 'load', 'resume', 'agent', 'identity', 'network', 'ready'],
  hibernation: ['admitted', 'disk', 'tap', 'vmm', 'load', 'resume', 'agent', 'identity', 'network', 'ready'],
};
const PHASES_AT_START = 1;
const PHASES_AT_BOOT = 4;

export function createMachines(script: FakeHostScript): Machines {
  const vms = new Map<VmId, HostVm>();
  const consoles = new Map<VmId, string>();
  const queues = new Map<VmId, string>();
  const timers = new Set<NodeJS.Timeout>();
  const listeners = new Set<(event: HostEvent) => void>();
  const consoleListeners = new Map<VmId, Set<(text: string) => void>>();
  let addresses = 1;

  const after = (ms: number, act: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, ms);
    timers.add(timer);
  };
  const emit = (vm: HostVm): void => {
    for (const listener of listeners) listener({ type: 'vm', vm });
  };
  const change = (id: VmId, patch: Partial<HostVm>): HostVm | undefined => {
    const old = vms.get(id);
    if (old === undefined) return undefined;
    const vm: HostVm = { ...old, ...patch, version: old.version + 1 };
    vms.set(id, vm);
    emit(vm);
    return vm;
  };
  /** A VM that comes back is who it was, at another address. */
  const identities = new Map<VmId, Pick<Address, 'hostname' | 'machineId'>>();
  const nextAddress = (id: VmId): Address => {
    addresses += 1;
    const [third, fourth] = [100 + (addresses >> 8), addresses & 0xff];
    const hex = [third, fourth].map((part) => part.toString(16).padStart(2, '0'));
    const identity = identities.get(id) ?? {
      hostname: `vm-${addresses}`,
      machineId: addresses.toString(16).padStart(32, '0'),
    };
    identities.set(id, identity);
    return {
      ...identity,
      ip: `192.168.${third}.${fourth}`,
      mac: `02:48:c0:a8:${hex.join(':')}`,
      tap: `tapc0a8${hex.join('')}`,
    };
  };
  const writeConsole = (id: VmId, text: string): void => {
    consoles.set(id, (consoles.get(id) ?? '') + text);
    for (const listener of consoleListeners.get(id) ?? []) listener(text);
  };
  const reach = (origin: VmOrigin, count?: number): HostVm['phases'] =>
    phasesOf[origin].slice(0, count).map((phase, index) => ({ phase, atMs: index * 2 }));

  /** From `creating` on; `failed` is where a start that fails ends. */
  const boot = (
    id: VmId,
    origin: VmOrigin,
    failure: () => HearthError | null,
    failed: HostVm['state'],
  ): void => {
    after(script.bootMs / 2, () => {
      if (vms.get(id)?.state !== 'creating') return;
      writeConsole(id, 'hearth-phase: kernel\n');
      change(id, { state: 'booting', phases: reach(origin, PHASES_AT_BOOT) });
      if (script.holdBoot) return;
      after(script.bootMs / 2, () => {
        if (vms.get(id)?.state !== 'booting') return;
        const error = failure();
        if (error === null) {
          change(id, { state: 'ready', phases: reach(origin) });
          return;
        }
        const kept = failed === 'hibernated' ? { address: null, phases: [] } : {};
        const finding = script.failCause === null ? null : found(script.failCause);
        change(id, { state: failed, failure: toFailure(error, new Date()), finding, ...kept });
      });
    });
  };

  /** Throws where the source of a fork is not one. */
  const originOf = ({ kind, start, forkOf }: HostCreateVm): VmOrigin => {
    if (forkOf === undefined)
      return start !== 'cold' && script.goldenKinds.includes(kind) ? 'snapshot' : 'image';
    const source = find(forkOf);
    if (source.kind !== 'cli' || (source.state !== 'ready' && source.state !== 'hibernated'))
      throw new HearthError('not_hibernatable', `${forkOf} is ${source.state}`, { vmId: forkOf });
    return 'hibernation';
  };
  const find = (id: VmId): HostVm => {
    const vm = vms.get(id);
    if (vm === undefined)
      throw new HearthError('not_found', `there is no VM ${id} on this host`, { vmId: id });
    return vm;
  };
  const admit = (memMiB: number): void => {
    const awake = [...vms.values()].filter(({ state }) => state !== 'hibernated' && state !== 'failed');
    const used = awake.reduce((sum, vm) => sum + vm.memMiB, 0);
    if (used + memMiB > script.memMiB)
      throw new HearthError('capacity_exceeded', `${script.memMiB - used} MiB are free`);
    if (awake.length >= script.addresses)
      throw new HearthError('addresses_exhausted', `all ${script.addresses} are taken`);
  };

  const refuseWhileDraining = (): void => {
    if (script.draining) throw new HearthError('host_draining', 'this fake takes no VMs now');
  };

  const create = (id: VmId, body: HostCreateVm): HostVm => {
    const existing = vms.get(id);
    if (existing !== undefined) return existing;
    const { kind, cpus, memMiB, diskMiB, desktop } = body;
    refuseWhileDraining();
    const origin = originOf(body);
    admit(memMiB);
    const vm: HostVm = {
      id,
      kind,
      state: 'creating',
      cpus,
      memMiB,
      diskMiB,
      desktop,
      imageId: script.imageId,
      address: nextAddress(id),
      origin,
      phases: reach(origin, PHASES_AT_START),
      credentials: [],
      failure: null,
      finding: null,
      version: 0,
    };
    vms.set(id, vm);
    consoles.set(id, '');
    if (body.queue !== undefined) queues.set(id, body.queue);
    emit(vm);
    boot(id, origin, () => script.failBoot, 'failed');
    return vm;
  };

  const hibernate = async (id: VmId): Promise<HostVm> => {
    const vm = find(id);
    if (vm.state === 'hibernated') return vm;
    if (vm.kind !== 'cli')
      throw new HearthError('not_hibernatable', `${id} is of kind ${vm.kind}`, { vmId: id });
    if (vm.state !== 'ready') throw new HearthError('not_hibernatable', `${id} is ${vm.state}`, { vmId: id });
    change(id, { state: 'hibernating' });
    await new Promise<void>((resolve) => {
      after(script.hibernateMs, resolve);
    });
    if (vms.get(id)?.state !== 'hibernating')
      throw new HearthError('not_found', `${id} is gone`, { vmId: id });
    if (script.failHibernate !== null) {
      change(id, { state: 'ready' });
      throw script.failHibernate;
    }
    return change(id, { state: 'hibernated', address: null, phases: [], credentials: [] }) ?? vm;
  };
  const resume = (id: VmId, { cold }: HostResumeVm): HostVm => {
    const vm = find(id);
    if (vm.state === 'creating' || vm.state === 'booting' || vm.state === 'ready') return vm;
    if (vm.state !== 'hibernated')
      throw new HearthError('not_hibernatable', `${id} is ${vm.state}`, { vmId: id });
    if (script.refuseResume !== null && !cold) throw script.refuseResume;
    refuseWhileDraining();
    admit(vm.memMiB);
    const origin = cold ? 'image' : 'hibernation';
    const phases = reach(origin, PHASES_AT_START);
    const next =
      change(id, {
        state: 'creating',
        address: nextAddress(id),
        origin,
        phases,
        failure: null,
        finding: null,
      }) ?? vm;
    boot(id, origin, () => script.failResume, 'hibernated');
    return next;
  };
  const restart = (id: VmId): HostVm => {
    const vm = find(id);
    if (vm.kind !== 'cli' || !['creating', 'booting', 'ready'].includes(vm.state))
      throw new HearthError('conflict', `${id} is a ${vm.kind} VM and ${vm.state}`, { vmId: id });
    const phases = reach('image', PHASES_AT_START);
    const next =
      change(id, { state: 'creating', origin: 'image', phases, credentials: [], finding: null }) ?? vm;
    boot(id, 'image', () => script.failBoot, 'failed');
    return next;
  };

  return {
    get: (id) => vms.get(id),
    list: () => [...vms.values()],
    create,
    hibernate,
    resume,
    restart,
    queueOf: (id) => queues.get(id),
    sicken: (id, cause) => {
      change(id, { finding: cause === null ? null : found(cause) });
    },
    remove: async (id) => {
      if (script.refuseRemove !== null) throw script.refuseRemove;
      if (vms.has(id)) change(id, { state: 'deleting' });
      if (script.removeDelayMs > 0)
        await new Promise<void>((resolve) => {
          after(script.removeDelayMs, resolve);
        });
      change(id, { state: 'gone', address: null });
      vms.delete(id);
      return { id, state: 'gone' };
    },
    crash: (id, error) => {
      change(id, { state: 'failed', credentials: [], failure: toFailure(error, new Date()) });
    },
    holds: (id, credentials) => {
      change(id, { credentials });
    },
    lose: (id) => {
      vms.delete(id);
    },
    plant: (id) => {
      create(id, {
        kind: 'cli',
        cpus: 1,
        memMiB: 2048,
        diskMiB: 1024,
        desktop: null,
        requestedAtMs: Date.now(),
        requestId: 'planted-vm',
      });
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    consoleOf: (id) => consoles.get(id),
    writeConsole,
    onConsole: (id, listener) => {
      const set = consoleListeners.get(id) ?? new Set();
      consoleListeners.set(id, set);
      set.add(listener);
      return () => set.delete(listener);
    },
    stop: () => {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}

const found = (cause: WhyCause): Finding =>
  makeFinding(cause, layerOfCheck[whyCauses[cause].check], `the fake was told: ${cause}`, new Date());
