import { HearthError, type ExecRequest } from '@hearth/contract';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { loginEnvironment, type LoginUser } from './login-user.ts';
import { closeDescriptor, type Pipe, type PipeStore } from './pipes.ts';

export interface CommandExit {
  /** As a shell gives it: 128 + the signal's number where a signal ended it. */
  exitCode: number;
  signal: NodeJS.Signals | null;
}

/** A command that runs in a process group (and session) of its own. */
export interface RunningCommand {
  pid: number;
  stdout: Readable;
  stderr: Readable;
  /** null where standard input is empty. */
  stdin: Writable | null;
  /** The command itself has ended; its children may live on and hold its outputs open. */
  exited: Promise<CommandExit>;
  /** Sends a signal to the whole group; false where nobody is left in it. */
  signal(signal: NodeJS.Signals): boolean;
  /** Ends the whole group: SIGTERM, then SIGKILL for whoever is left after the grace. Safe to repeat. */
  terminate(): void;
}

const GRACE_MS = 3000;

/** Starts a command. Throws HearthError exec_failed, naming what is missing. */
export async function startCommand(
  request: ExecRequest,
  user: LoginUser,
  pipes: PipeStore,
  graceMs = GRACE_MS,
): Promise<RunningCommand> {
  const [program = '', ...args] = request.command;
  const cwd = request.cwd ?? user.home;
  await checkFolder(cwd);
  const fault = (code: string): string => startFault(code, program, cwd, user);
  /** Descriptors that are to be closed should the start fail. */
  const ours = new Set<number>();
  const take = async (end: 'read' | 'write'): Promise<Pipe> => {
    const pipe = await pipes.take(end, user);
    ours.add(pipe.read).add(pipe.write);
    return pipe;
  };
  const release = async (descriptor: number | undefined): Promise<void> => {
    if (descriptor !== undefined && ours.delete(descriptor)) await closeDescriptor(descriptor);
  };
  try {
    const stdin = request.stdin ? await take('write') : null;
    const stdout = await take('read');
    const stderr = await take('read');
    const child = trySpawn(
      () =>
        spawn(program, args, {
          cwd,
          env: { ...loginEnvironment(user), ...request.env },
          detached: true,
          stdio: [stdin?.read ?? 'ignore', stdout.write, stderr.write],
          // With a uid libuv also drops the supplementary groups: root's must not leak, and `hearth` has none.
          ...(process.getuid?.() === user.uid ? {} : { uid: user.uid, gid: user.gid }),
        }),
      fault,
    );
    const exited = new Promise<CommandExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ exitCode: shellCode(code, signal), signal }));
    });
    try {
      await once(child, 'spawn');
    } catch (error) {
      throw new HearthError('exec_failed', fault(codeOf(error)), { cause: error });
    }
    const { pid } = child;
    if (pid === undefined) throw new HearthError('internal', `${program} started without a pid`);
    // The child has its own copies now; while ours were open, its end would not be seen.
    await Promise.all([stdin?.read, stdout.write, stderr.write].map(release));
    await resetOomScore(pid);
    return {
      pid,
      stdout: ourEnd(stdout.read, 'read'),
      stderr: ourEnd(stderr.read, 'read'),
      stdin: stdin === null ? null : ourEnd(stdin.write, 'write'),
      exited,
      ...groupControl(pid, graceMs),
    };
  } catch (error) {
    await Promise.all([...ours].map(release));
    throw error;
  }
}

/** A stream over our end; it owns the descriptor from here on. */
function ourEnd(fd: number, end: 'read' | 'write'): Socket {
  return new Socket({ fd, readable: end === 'read', writable: end === 'write' });
}

function groupControl(pid: number, graceMs: number): Pick<RunningCommand, 'signal' | 'terminate'> {
  const signal = (name: NodeJS.Signals): boolean => signalGroup(pid, name);
  let ending = false;
  return {
    signal,
    terminate: () => {
      if (ending) return;
      ending = true;
      if (!signal('SIGTERM')) return;
      // A stopped process takes its SIGTERM only when it goes on.
      signal('SIGCONT');
      setTimeout(() => signal('SIGKILL'), graceMs).unref();
    },
  };
}

function signalGroup(pgid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-pgid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function shellCode(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code ?? 0) : 128 + constants.signals[signal];
}

/** spawn throws for some faults (a list of arguments that is too long) and emits others. */
function trySpawn(start: () => ChildProcess, fault: (code: string) => string): ChildProcess {
  try {
    return start();
  } catch (error) {
    throw new HearthError('exec_failed', fault(codeOf(error)), { cause: error });
  }
}

async function checkFolder(cwd: string): Promise<void> {
  const found = await stat(cwd).catch((error: unknown) => {
    throw new HearthError('exec_failed', `the folder ${cwd} can't be entered (${codeOf(error)})`, {
      cause: error,
    });
  });
  if (!found.isDirectory()) throw new HearthError('exec_failed', `${cwd} is not a folder`);
}

function startFault(code: string, program: string, cwd: string, user: LoginUser): string {
  switch (code) {
    case 'ENOENT':
      return `the program ${program} was not found (ENOENT)`;
    case 'EACCES':
      return `${user.name} may not run ${program} in ${cwd} (EACCES)`;
    case 'E2BIG':
      return `arguments and environment of ${program} are too long (E2BIG)`;
    default:
      return `${program} could not be started (${code || 'unknown fault'})`;
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

let ownOomScore: Promise<string> | undefined;

/** The agent's unit may shield it from the OOM killer; what it runs is not to inherit that. */
export async function resetOomScore(pid: number): Promise<void> {
  ownOomScore ??= readFile('/proc/self/oom_score_adj', 'utf8').catch(() => '0');
  if (Number(await ownOomScore) >= 0) return;
  await writeFile(`/proc/${pid}/oom_score_adj`, '0').catch((error: unknown) => {
    // It ended already.
    if (!['ENOENT', 'ESRCH'].includes(codeOf(error))) throw error;
  });
}
