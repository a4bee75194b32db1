import { HearthError, type TerminalSize } from '@hearth/contract';
import type { IPty } from '@lydell/node-pty';
import { chownSync, constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { constants as osConstants } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { resetOomScore, type CommandExit } from '../exec/command.ts';
import { loginEnvironment, type LoginUser } from '../exec/login-user.ts';
import type { NativeModules } from './native-modules.ts';
import { processesOfSession, signalProcess } from './session.ts';

export interface PtyOptions extends TerminalSize {
  modules: NativeModules;
  command: readonly string[];
  /** Laid over the user's login environment. */
  env: Readonly<Record<string, string>>;
  /** Absolute. */
  cwd: string;
  user: LoginUser;
  graceMs?: number;
}

/** A command that runs in a terminal, and a session, of its own. */
export interface Pty {
  pid: number;
  /** What it prints; the command waits until somebody listens. */
  onData(listener: (bytes: Uint8Array) => void): void;
  /** Types; without effect once it has ended. */
  write(data: Uint8Array | string): void;
  resize(size: TerminalSize): void;
  /** All that it printed was read. */
  exited: Promise<CommandExit>;
  /** It waits where it prints more than the kernel's buffer takes. */
  pause(): void;
  resume(): void;
  /** Ends the whole session: SIGHUP, then SIGKILL for whoever is left after the grace. Safe to repeat. */
  terminate(): void;
}

const GRACE_MS = 3000;
const TERM = 'xterm-256color';

/** Starts a command in a PTY. Throws HearthError exec_failed, naming what is missing. */
export async function startPty({
  modules,
  command,
  env,
  cwd,
  user,
  cols,
  rows,
  graceMs = GRACE_MS,
}: PtyOptions): Promise<Pty> {
  const [name = '', ...args] = command;
  const whole: Record<string, string> = { ...loginEnvironment(user), TERM, ...env };
  // node-pty's child would only print what is missing, on the terminal.
  await checkFolder(cwd);
  const program = await findProgram(name, whole['PATH'] ?? '', cwd);
  const isOther = process.getuid?.() !== user.uid;
  const child = spawn(modules, program, args, {
    ...{ name: whole['TERM'] ?? TERM, cols, rows, cwd, env: whole, encoding: null },
    ...(isOther ? { uid: user.uid, gid: user.gid } : {}),
  });
  const { pid } = child;
  child.pause();
  const exited = new Promise<CommandExit>((resolve) => {
    child.onExit(({ exitCode, signal }) => resolve(exitOf(exitCode, signal)));
  });
  // Before the program can look: what opens its terminal by name (/dev/stderr, too) may.
  if (isOther) chownSync((child as IPty & { ptsName: string }).ptsName, user.uid, user.gid);
  await resetOomScore(pid);
  return {
    pid,
    // With encoding null it gives bytes, whatever its types say.
    onData: (listener) => {
      child.onData((data) => listener(data as unknown as Uint8Array));
      child.resume();
    },
    write: (data) => child.write(data as string),
    resize: ({ cols: width, rows: height }) => {
      try {
        child.resize(width, height);
      } catch (error) {
        // EBADF, ENOTTY: it has ended.
        if (!/EBADF|ENOTTY|ioctl/.test(String(error))) throw error;
      }
    },
    exited,
    pause: () => child.pause(),
    resume: () => child.resume(),
    terminate: endOnce(pid, exited, graceMs),
  };
}

function spawn(
  { pty }: NativeModules,
  program: string,
  args: string[],
  options: Parameters<NativeModules['pty']['spawn']>[2],
): IPty {
  try {
    return pty.spawn(program, args, options);
  } catch (cause) {
    throw new HearthError('exec_failed', `no terminal for ${program}: ${String(cause)}`, { cause });
  }
}

function endOnce(pid: number, exited: Promise<CommandExit>, graceMs: number): () => void {
  let ending = false;
  return () => {
    if (ending) return;
    ending = true;
    const end = async (): Promise<void> => {
      for (const one of await processesOfSession(pid)) {
        signalProcess(one, 'SIGHUP');
        // A stopped process takes its signal only when it goes on.
        signalProcess(one, 'SIGCONT');
      }
      let timer: NodeJS.Timeout | undefined;
      const grace = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)));
      await Promise.race([exited, grace]);
      clearTimeout(timer);
      // The leader has ended or won't: whoever is left had its time, or was left behind.
      for (const one of await processesOfSession(pid)) signalProcess(one, 'SIGKILL');
    };
    end().catch((error: unknown) => {
      // /proc can't be read or the signal is not permitted: the agent's fault, and nobody here can mend it.
      queueMicrotask(() => {
        throw error;
      });
    });
  };
}

function exitOf(exitCode: number, number: number | undefined): CommandExit {
  const signal = Object.entries(osConstants.signals).find(([, one]) => one === number)?.[0];
  return signal === undefined
    ? { exitCode, signal: null }
    : { exitCode: 128 + (number ?? 0), signal: signal as NodeJS.Signals };
}

async function checkFolder(cwd: string): Promise<void> {
  const found = await stat(cwd).catch((cause: unknown) => {
    throw new HearthError('exec_failed', `the folder ${cwd} can't be entered (${codeOf(cause)})`, { cause });
  });
  if (!found.isDirectory()) throw new HearthError('exec_failed', `${cwd} is not a folder`);
}

async function findProgram(name: string, path: string, cwd: string): Promise<string> {
  const places = name.includes('/')
    ? [isAbsolute(name) ? name : join(cwd, name)]
    : path.split(':').map((folder) => join(folder === '' ? cwd : folder, name));
  let fault = 'ENOENT';
  for (const place of name === '' ? [] : places) {
    try {
      await access(place, constants.X_OK);
      if ((await stat(place)).isFile()) return place;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') fault = codeOf(error);
    }
  }
  throw new HearthError(
    'exec_failed',
    fault === 'ENOENT'
      ? `the program ${name} was not found (ENOENT)`
      : `${name} may not be run here (${fault})`,
  );
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
