import { HearthError, type ExecRequest } from '@hearth/contract';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { loginEnvironment, type LoginUser } from './login-user.ts';

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
  graceMs = GRACE_MS,
): Promise<RunningCommand> {
  const [program = '', ...args] = request.command;
  const cwd = request.cwd ?? user.home;
  await checkFolder(cwd);
  const child = trySpawn(program, () =>
    spawn(program, args, {
      cwd,
      env: { ...loginEnvironment(user), ...request.env },
      detached: true,
      stdio: [request.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      // With a uid libuv also drops the supplementary groups: root's must not leak, and `hearth` has none.
      ...(process.getuid?.() === user.uid ? {} : { uid: user.uid, gid: user.gid }),
    }),
  );
  // At once: when a child exits, Node drops what of its outputs nobody listens to yet.
  const stdout = child.stdout?.pipe(new PassThrough());
  const stderr = child.stderr?.pipe(new PassThrough());
  const exited = new Promise<CommandExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ exitCode: shellCode(code, signal), signal }));
  });
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw await spawnError(error, program, cwd, user);
  }
  const { pid, stdin } = child;
  if (pid === undefined || stdout === undefined || stderr === undefined)
    throw new HearthError('internal', `${program} started without a pid or outputs`);
  await resetOomScore(pid);

  const signal = (name: NodeJS.Signals): boolean => signalGroup(pid, name);
  let ending = false;
  return {
    pid,
    stdout,
    stderr,
    stdin,
    exited,
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
function trySpawn(program: string, start: () => ChildProcess): ChildProcess {
  try {
    return start();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new HearthError('exec_failed', startFault(code, program), { cause: error });
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

async function spawnError(
  error: unknown,
  program: string,
  cwd: string,
  user: LoginUser,
): Promise<HearthError> {
  const code = codeOf(error);
  const detail =
    code === 'EACCES' ? `${user.name} may not run ${program} in ${cwd} (EACCES)` : startFault(code, program);
  return new HearthError('exec_failed', detail, { cause: error });
}

function startFault(code: string, program: string): string {
  switch (code) {
    case 'ENOENT':
      return `the program ${program} was not found (ENOENT)`;
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
async function resetOomScore(pid: number): Promise<void> {
  ownOomScore ??= readFile('/proc/self/oom_score_adj', 'utf8').catch(() => '0');
  if (Number(await ownOomScore) >= 0) return;
  await writeFile(`/proc/${pid}/oom_score_adj`, '0').catch((error: unknown) => {
    // It ended already.
    if (!['ENOENT', 'ESRCH'].includes(codeOf(error))) throw error;
  });
}
