import { access, open, readFile, rm, type FileHandle } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import {
  HearthError,
  pause,
  startProgress,
  withAbort,
  type Progress,
  type SnapshotMachine,
} from '@hearth/contract';
import { startDetached } from '../../exec/daemon.ts';
import {
  identifyProcess,
  isAlive,
  signalProcess,
  type ProcessIdentity,
} from '../../exec/process-identity.ts';
import type { CgroupTree } from '../cgroup.ts';
import type { RunningVmm, Vmm, VmmSpec } from '../vmm.ts';
import { qemuArguments, TRANSLATION_CACHE_MIB, type QemuMachine } from './command-line.ts';
import { describeExit, type Exit } from './exit-words.ts';
import { inspectQemu } from './inspect.ts';
import { loadState, saveState } from './migration.ts';
import { QmpClient, tryConnect } from './qmp.ts';
import { snapshotMachine } from './snapshot-machine.ts';

/** Memory that QEMU needs beside the guest's and its translation cache. */
const OVERHEAD_MIB = 256;
const MONITOR_TIMEOUT_MS = 20_000;
/** From the end of its monitor to that of its process. */
const EXIT_WAIT_MS = 2000;

/** A QEMU that we started ourselves. */
interface Launched {
  running: RunningVmm;
  qmp: QmpClient;
  exit: Promise<Exit>;
}

export interface QemuOptions {
  machine: QemuMachine;
  cgroups: CgroupTree;
  binary?: string;
}

export function createQemu({ machine, cgroups, binary = 'qemu-system-x86_64' }: QemuOptions): Vmm {
  const { vmmUser } = machine;
  /** Asked once: a daemon that goes on keeps its VMM. */
  let known: Promise<SnapshotMachine> | null = null;
  /** Starts the process; `statePath`: it waits for what is in that file. */
  const launch = async (
    spec: VmmSpec,
    statePath: string | null,
    progress: Progress,
    onSpawned: (process: ProcessIdentity) => void,
  ): Promise<Launched> => {
    const group = await cgroups.create(spec.vmId, {
      memMiB: spec.memMiB + TRANSLATION_CACHE_MIB + OVERHEAD_MIB,
      cpus: spec.cpus + 0.5,
    });
    const [command, ...args] = [
      ...group.wrapper,
      'setpriv',
      '--no-new-privs',
      binary,
      ...qemuArguments(spec, machine),
      ...(statePath === null ? [] : ['-S', '-incoming', 'defer']),
    ] as [string, ...string[]];
    const files: FileHandle[] = [];
    const opened = async (path: string, flags: string): Promise<number> => {
      const file = await open(path, flags, 0o600);
      files.push(file);
      return file.fd;
    };
    let pid: number | undefined;
    const exit = Promise.withResolvers<Exit>();
    try {
      const output = await opened(spec.logPath, 'a');
      const descriptors = statePath === null ? [] : [await opened(statePath, 'r')];
      const child = startDetached(command, args, { output, descriptors });
      pid = child.pid;
      // The failure to start is seen below as a missing pid; without a listener it would end the daemon.
      child.on('exit', (code, signal) => exit.resolve({ code, signal }));
      child.on('error', (error) => progress.log('QEMU could not be started', { error: error.message }));
    } finally {
      for (const file of files) await file.close();
    }
    const identity = pid === undefined ? null : await identifyProcess(pid);
    if (identity === null)
      throw new HearthError('vmm_failed', `${binary} could not be started: ${await lastWords(spec.logPath)}`);
    onSpawned(identity);
    const attached = await attach(spec, identity, progress, { cgroups, vmmUser }, exit.promise);
    return { ...attached, exit: exit.promise };
  };

  return {
    name: 'qemu',
    snapshots: {
      machine: () => {
        known ??= snapshotMachine(binary, machine).catch((error: unknown) => {
          known = null;
          throw error;
        });
        return known;
      },
      load: async (spec, statePath, progress, onSpawned) => {
        await requireFiles([statePath, ...(spec.memory === null ? [] : [spec.memory.path])]);
        const { running, qmp, exit } = await launch(spec, statePath, progress, onSpawned);
        try {
          await loadState(qmp, spec.memory, progress);
          return running;
        } catch (error) {
          // A QEMU that refuses the file ends by itself; one that was killed says nothing of the file.
          const ended = await soon(exit);
          await running.kill();
          progress.throwIfAborted();
          const words = await lastWords(spec.logPath);
          if (ended !== null && ended.signal !== null)
            throw new HearthError(
              'vmm_failed',
              `QEMU died while it loaded: ${describeExit(ended)}; ${words}`,
            );
          throw new HearthError('snapshot_invalid', `QEMU refused ${statePath}: ${words}`, { cause: error });
        }
      },
    },
    start: async (spec, progress, onSpawned) => (await launch(spec, null, progress, onSpawned)).running,
    adopt: async (spec, recorded, progress) => {
      const identity = recorded ?? (await readPidFile(spec.pidPath));
      if (identity === null || !(await isAlive(identity))) {
        // The daemon before us may have died between the end of the VMM and this.
        await cgroups.remove(spec.vmId);
        return null;
      }
      return (await attach(spec, identity, progress, { cgroups, vmmUser })).running;
    },
  };
}

/** The news of a process's end comes a little after the end itself; null where it doesn't. */
async function soon(exit: Promise<Exit>): Promise<Exit | null> {
  const wait = AbortSignal.timeout(EXIT_WAIT_MS);
  return withAbort(exit, wait).catch((error: unknown) => {
    if (!wait.aborted) throw error;
    return null;
  });
}

/** Another Hearth of the machine may have removed a golden snapshot since it was chosen. */
async function requireFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths)
    await access(path).catch((cause: unknown) => {
      throw new HearthError('snapshot_invalid', `${path} is gone`, { cause });
    });
}

/** QEMU writes its pid itself, so a daemon that died between starting it and recording it still finds it. */
async function readPidFile(path: string): Promise<ProcessIdentity | null> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  if (!Number.isInteger(pid) || pid <= 1) return null;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.includes(path) ? identifyProcess(pid) : null;
}

async function attach(
  spec: VmmSpec,
  identity: ProcessIdentity,
  progress: Progress,
  { cgroups, vmmUser }: { cgroups: CgroupTree; vmmUser: string | null },
  /** How the process ends; only its parent gets to know. */
  exit?: Promise<Exit>,
): Promise<{ running: RunningVmm; qmp: QmpClient }> {
  const ending = async (): Promise<string> => {
    const ended = exit === undefined ? null : await soon(exit);
    const words = await lastWords(spec.logPath);
    return ended === null ? words : `${describeExit(ended)}; ${words}`;
  };
  let qmp: QmpClient;
  try {
    qmp = await QmpClient.connect(
      spec.monitorSocketPath,
      () => isAlive(identity),
      progress.child('QEMU monitor', MONITOR_TIMEOUT_MS),
    );
  } catch (error) {
    await endProcess(identity);
    await cgroups.remove(spec.vmId);
    if (error instanceof HearthError && error.code !== 'vmm_failed') throw error;
    throw new HearthError('vmm_failed', `QEMU did not start: ${await ending()}`, {
      cause: error,
    });
  }
  const hold = { released: false };
  const exited = (async () => {
    await qmp.closed;
    // Its monitor closed: it is about to be gone, or hangs and is ended.
    if (!hold.released) await endProcess(identity);
    return ending();
  })();
  const openControl = async (within: Progress): Promise<Duplex> => {
    for (;;) {
      const socket = await tryConnect(spec.controlSocketPath);
      if (socket !== null) return socket;
      if (!(await isAlive(identity)))
        throw new HearthError('vmm_failed', `QEMU ended: ${await lastWords(spec.logPath)}`);
      await pause(20, within.signal);
    }
  };
  const running: RunningVmm = {
    process: identity,
    exited,
    inspect: (within) => inspectQemu(qmp, within),
    pause: async (within) => {
      await qmp.execute('stop', {}, within);
    },
    resume: async (within) => {
      await qmp.execute('cont', {}, within);
    },
    save: (statePath, within) => saveState(qmp, { ...spec, vmmUser, pid: identity.pid }, statePath, within),
    openControl,
    kill: async () => {
      // Its disks go or stay whole without it: a kill is the quickest end, and works on a stopped VMM as well.
      await signalProcess(identity, 'SIGKILL');
      await endProcess(identity);
      qmp.close();
      await cgroups.remove(spec.vmId);
      await Promise.all(
        [spec.monitorSocketPath, spec.controlSocketPath, spec.pidPath].map((path) =>
          rm(path, { force: true }),
        ),
      );
    },
    release: () => {
      hold.released = true;
      qmp.close();
    },
  };
  return { running, qmp };
}

/** Waits shortly for a process that is ending, then kills it; returns once it is confirmed dead. */
async function endProcess(identity: ProcessIdentity): Promise<void> {
  const deadline = startProgress({ what: `end of process ${identity.pid}`, timeoutMs: 30_000 });
  for (let tries = 0; await isAlive(identity); tries++) {
    if (tries === 20) await signalProcess(identity, 'SIGKILL');
    await pause(25, deadline.signal);
  }
}

async function lastWords(logPath: string): Promise<string> {
  const text = await readFile(logPath, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-5).join('\n').slice(-1000) || 'it said nothing';
}
