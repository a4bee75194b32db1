import { readFile, rename, stat } from 'node:fs/promises';
import { agentThat, vmGivenUp } from './awaits.ts';
import type { Fault } from './fault.ts';
import { qmpWord } from './qmp-word.ts';

/** What runs the VM, and its files: VMM, disk, console, the host's own disk and daemon. */

const AWAY = '.hearth-fault';
const FULL_BELOW_MIB = 8;

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

const putAway = (path: string): Promise<void> => rename(path, `${path}${AWAY}`);

async function putBack(path: string): Promise<void> {
  if (await isThere(`${path}${AWAY}`)) await rename(`${path}${AWAY}`, path);
}

/** Of /proc/PID/stat: R, S, T …; null for a process that is gone. */
async function processState(pid: number): Promise<string | null> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

export const machineFaults: readonly Fault[] = [
  {
    name: 'vmm_stopped',
    title: 'the VMM gets a SIGSTOP',
    kind: 'cli',
    expects: 'vmm_stopped',
    inject: async ({ vm }) => process.kill(vm.pid, 'SIGSTOP'),
    awaits: async ({ vm }) => {
      const state = await processState(vm.pid);
      return state === 'T' ? null : `the process is in state ${state ?? 'gone'}`;
    },
    undo: async ({ vm }) => process.kill(vm.pid, 'SIGCONT'),
    spoils: false,
  },
  {
    name: 'vmm_paused',
    title: 'the VM’s processors are paused, as by a save that broke off',
    kind: 'cli',
    expects: 'vmm_paused',
    inject: (room) => room.withoutHost(() => qmpWord(room.vm.monitor, 'stop')),
    awaits: agentThat('silent'),
    undo: (room) => room.withoutHost(() => qmpWord(room.vm.monitor, 'cont')),
    spoils: false,
  },
  {
    name: 'upper_disk_missing',
    title: 'the file of the private disk is taken away',
    kind: 'cli',
    expects: 'upper_disk_missing',
    inject: ({ vm }) => putAway(vm.upper),
    awaits: async ({ vm }) => ((await isThere(vm.upper)) ? 'it is there' : null),
    undo: ({ vm }) => putBack(vm.upper),
    spoils: false,
  },
  {
    name: 'console_missing',
    title: 'the file of the console is taken away',
    kind: 'cli',
    expects: 'console_missing',
    inject: ({ vm }) => putAway(vm.console),
    awaits: async ({ vm }) => ((await isThere(vm.console)) ? 'it is there' : null),
    undo: ({ vm }) => putBack(vm.console),
    spoils: false,
  },
  {
    name: 'host_disk_full',
    title: 'the disk with the state folder is full',
    kind: 'cli',
    expects: 'host_disk_full',
    inject: ({ disk }) => disk.fill(),
    awaits: async ({ disk }) => {
      const freeMiB = await disk.freeMiB();
      return freeMiB < FULL_BELOW_MIB ? null : `${freeMiB} MiB are free`;
    },
    undo: ({ disk }) => disk.empty(),
    spoils: false,
  },
  {
    name: 'host_daemon_down',
    title: 'the host daemon is killed',
    kind: 'cli',
    expects: 'host_daemon_down',
    inject: async ({ lab }) => process.kill(await lab.pid('host'), 'SIGKILL'),
    awaits: async ({ lab }) => {
      const state = await processState(await lab.pid('host'));
      return state === null || state === 'Z' ? null : `it is in state ${state}`;
    },
    undo: ({ lab }) => lab.up(),
    spoils: false,
  },
  {
    name: 'vmm_killed',
    title: 'the VMM gets a SIGKILL',
    kind: 'cli',
    expects: 'vmm_killed',
    inject: async ({ vm }) => process.kill(vm.pid, 'SIGKILL'),
    awaits: vmGivenUp,
    undo: null,
    spoils: true,
  },
  {
    name: 'kernel_panic',
    title: 'the guest’s kernel panics',
    kind: 'cli',
    expects: 'kernel_panic',
    inject: (room) => room.leave('echo c > /proc/sysrq-trigger'),
    awaits: vmGivenUp,
    undo: null,
    spoils: true,
  },
];
