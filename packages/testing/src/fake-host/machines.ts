import {
  bootPhases,
  HearthError,
  toFailure,
  type Address,
  type HostCreateVm,
  type HostEvent,
  type GoneVm,
  type HostVm,
  type ImageId,
  type VmId,
} from '@hearth/contract';

/** What the fake is told to do; may be changed at any time, for what comes next. */
export interface FakeHostScript {
  /** From PUT to ready. */
  bootMs: number;
  /** Boots stop before `ready` and stay there. */
  holdBoot: boolean;
  /** Boots fail with this after `bootMs`. */
  failBoot: HearthError | null;
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
  memMiB: number;
  cpus: number;
}

export const defaultScript: FakeHostScript = {
  bootMs: 20,
  holdBoot: false,
  failBoot: null,
  refuseCreate: null,
  createDelayMs: 0,
  removeDelayMs: 0,
  refuseRemove: null,
  degraded: null,
  memMiB: 65_536,
  cpus: 16,
};

/** VMs that are numbers and timers. */
export interface Machines {
  get(id: VmId): HostVm | undefined;
  list(): HostVm[];
  create(id: VmId, body: HostCreateVm): HostVm;
  remove(id: VmId): Promise<GoneVm>;
  /** The VMM dies. */
  crash(id: VmId, error: HearthError): void;
  /** The VM vanishes without a word, as after a crash of the machine. */
  lose(id: VmId): void;
  /** Makes a VM that nobody asked for. */
  plant(id: VmId): void;
  subscribe(listener: (event: HostEvent) => void): () => void;
  /** What the VM wrote on its console; kept after it is gone. */
  consoleOf(id: VmId): string | undefined;
  writeConsole(id: VmId, text: string): void;
  onConsole(id: VmId, listener: (text: string) => void): () => void;
  stop(): void;
}

const FAKE_IMAGE = 'img-0123456789ab' as ImageId;

export function createMachines(script: FakeHostScript): Machines {
  const vms = new Map<VmId, HostVm>();
  const consoles = new Map<VmId, string>();
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
  const nextAddress = (): Address => {
    addresses += 1;
    const low = addresses.toString(16).padStart(2, '0');
    return {
      ip: `192.168.100.${addresses}`,
      mac: `02:48:c0:a8:64:${low}`,
      tap: `hth-${low}`,
      hostname: `vm-${addresses}`,
      machineId: low.repeat(16),
    };
  };
  const writeConsole = (id: VmId, text: string): void => {
    consoles.set(id, (consoles.get(id) ?? '') + text);
    for (const listener of consoleListeners.get(id) ?? []) listener(text);
  };
  const reach = (count: number): HostVm['phases'] =>
    bootPhases.slice(0, count).map((phase, index) => ({ phase, atMs: index * 2 }));

  const boot = (id: VmId): void => {
    after(script.bootMs / 2, () => {
      if (vms.get(id)?.state !== 'creating') return;
      writeConsole(id, 'hearth-phase: kernel\n');
      change(id, { state: 'booting', phases: reach(4) });
      if (script.holdBoot) return;
      after(script.bootMs / 2, () => {
        if (vms.get(id)?.state !== 'booting') return;
        const failure = script.failBoot;
        if (failure !== null) change(id, { state: 'failed', failure: toFailure(failure, new Date()) });
        else change(id, { state: 'ready', phases: reach(bootPhases.length) });
      });
    });
  };

  const create = (id: VmId, { kind, cpus, memMiB, diskMiB, desktop }: HostCreateVm): HostVm => {
    const existing = vms.get(id);
    if (existing !== undefined) return existing;
    const vm: HostVm = {
      id,
      kind,
      state: 'creating',
      cpus,
      memMiB,
      diskMiB,
      desktop,
      imageId: FAKE_IMAGE,
      address: nextAddress(),
      phases: reach(1),
      failure: null,
      version: 0,
    };
    vms.set(id, vm);
    consoles.set(id, '');
    emit(vm);
    boot(id);
    return vm;
  };

  return {
    get: (id) => vms.get(id),
    list: () => [...vms.values()],
    create,
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
      change(id, { state: 'failed', failure: toFailure(error, new Date()) });
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
