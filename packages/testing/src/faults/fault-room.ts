import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigInput, VmKind, VmState } from '@hearth/contract';
import { countTraces, makeLab, waitForGoldens, type HearthLab } from '../lab/index.ts';
import { agentAnswer, type AgentAnswer } from './agent-answer.ts';
import { inNamespace } from './command.ts';
import { createVm, inGuest, leaveInGuest, removeVm, showVm, type LabVm } from './lab-vm.ts';
import { makeStateDisk, type StateDisk } from './state-disk.ts';

const BRIDGE = 'hearth0';

/** A Hearth of its own in which nothing repairs what a fault breaks, and the VM that has the fault. */
export interface FaultRoom {
  readonly lab: HearthLab;
  /** Ends the whole run. */
  readonly signal: AbortSignal;
  readonly disk: StateDisk;
  readonly bridge: string;
  /** Address of the bridge. */
  readonly gateway: string;
  /** The VM that has the fault. Throws where there is none. */
  readonly vm: LabVm;
  /** Another VM, to which nothing is done. */
  other(): Promise<LabVm>;
  /** Runs a program in the VMs' network namespace. */
  net(name: string, ...args: string[]): Promise<string>;
  /** Runs a shell line as root in the VM, or in another one. */
  guest(line: string, vm?: LabVm): Promise<string>;
  /** The same, where the line cuts off the way on which it came. */
  leave(line: string): Promise<void>;
  /** What its agent does for somebody who dials it. */
  agent(): Promise<AgentAnswer>;
  /** All that its console said. */
  console(): Promise<string>;
  state(): Promise<VmState>;
  /** Does something while no host daemon runs. */
  withoutHost(work: () => Promise<void>): Promise<void>;
  /** Starts the host daemon anew with this in place of what the lab was made with; null: as it was made. */
  reconfigure(vms: ConfigInput['vms'] | null): Promise<void>;
  /** Starts a Node script in the VMs' network namespace, which runs until `dismiss`; resolves with its first words. */
  employ(script: string, ...args: string[]): Promise<void>;
  dismiss(): Promise<void>;
}

/** A room as its owner has it. */
export interface OwnedRoom extends FaultRoom {
  /** Has a VM of this kind ready as {@link FaultRoom.vm}; the one that is there, if it fits. */
  enter(kind: VmKind): Promise<void>;
  /** Throws the VM away. */
  discard(): Promise<void>;
  /** Throws all VMs away and tells what they left on the machine. */
  leftovers(): Promise<string[]>;
  dispose(): Promise<void>;
}

const labConfig = (disk: StateDisk): ConfigInput => ({
  stateDir: join(disk.path, 'state'),
  controller: { rateLimit: { max: 1_000_000 } },
  // Whatever would repair a fault, or act on it, before it is seen is switched off.
  host: { reconcileSeconds: 0 },
  breaker: { minFailures: 1000 },
  vms: {
    watchdog: { periodSeconds: 0 },
    reserveDiskMiB: 64,
    snapshots: { golden: true },
  },
});

export async function openFaultRoom(kinds: readonly VmKind[], signal: AbortSignal): Promise<OwnedRoom> {
  const disk = await makeStateDisk();
  try {
    const lab = await makeLab(labConfig(disk));
    try {
      await lab.up();
      await waitForGoldens(lab, kinds);
      return makeRoom(lab, disk, signal);
    } catch (error) {
      await lab.dispose();
      throw error;
    }
  } catch (error) {
    await disk.remove();
    throw error;
  }
}

function makeRoom(lab: HearthLab, disk: StateDisk, signal: AbortSignal): OwnedRoom {
  const { config, configPath } = lab;
  const namespace = config.name;
  let current: LabVm | null = null;
  let bystander: LabVm | null = null;
  let employee: ChildProcess | null = null;
  let asMade: string | null = null;

  const vm = (): LabVm => {
    if (current === null) throw new Error('no VM is in the room');
    return current;
  };
  const room: OwnedRoom = {
    ...{ lab, signal, disk },
    bridge: BRIDGE,
    gateway: config.network.subnet.replace(/\d+\/\d+$/, '1'),
    get vm() {
      return vm();
    },
    other: async () => (bystander ??= await createVm(lab, 'cli', signal)),
    net: (name, ...args) => inNamespace(namespace, name, ...args),
    guest: (line, { id } = vm()) => inGuest(lab, id, line, signal),
    leave: (line) => leaveInGuest(lab, vm().id, line, signal),
    agent: () => agentAnswer(namespace, vm().ip),
    console: () => readFile(vm().console, 'utf8'),
    state: async () => (await showVm(lab, vm().id, signal)).state,
    withoutHost: async (work) => {
      await killHost(lab);
      try {
        await work();
      } finally {
        await lab.up();
      }
    },
    reconfigure: async (vms) => {
      const text = await readFile(configPath, 'utf8');
      asMade ??= text;
      const input = JSON.parse(asMade) as ConfigInput;
      const changed = vms === null ? asMade : JSON.stringify({ ...input, vms: { ...input.vms, ...vms } });
      if (changed === text) return;
      await writeFile(configPath, changed);
      await room.withoutHost(async () => undefined);
    },
    employ: async (script, ...args) => {
      const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', script, ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      employee = child;
      await Promise.race([
        once(child.stdout, 'data', { signal }),
        once(child, 'exit').then(() => Promise.reject(new Error('what was to run in the namespace ended'))),
      ]);
    },
    dismiss: async () => {
      const child = employee;
      employee = null;
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    enter: async (kind) => {
      if (current?.kind === kind) return;
      await room.discard();
      current = await createVm(lab, kind, signal);
    },
    discard: async () => {
      const gone = current;
      current = null;
      if (gone !== null) await removeVm(lab, gone.id, signal);
    },
    leftovers: async () => {
      await room.discard();
      if (bystander !== null) await removeVm(lab, bystander.id, signal);
      bystander = null;
      return Object.entries(await countTraces(config)).flatMap(([what, count]) =>
        count === 0 ? [] : [`${count} ${what}`],
      );
    },
    dispose: async () => {
      await room.dismiss();
      await disk.empty();
      await lab.dispose();
      await disk.remove();
    },
  };
  return room;
}

async function killHost(lab: HearthLab): Promise<void> {
  const pid = await lab.pid('host');
  process.kill(pid, 'SIGKILL');
}
