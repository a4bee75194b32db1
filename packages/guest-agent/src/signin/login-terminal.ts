import type { Login } from '@hearth/contract';
import type { CommandExit } from '../exec/command.ts';
import type { LoginUser } from '../exec/login-user.ts';
import { createAnsweringTerminal } from '../pty/answering-terminal.ts';
import type { NativeModules } from '../pty/native-modules.ts';
import { startPty } from '../pty/pty.ts';

/** So wide that no link is broken over lines by a tool that breaks lines itself. */
const SIZE = { cols: 500, rows: 50 };
const SCROLLBACK_LINES = 500;
/** Between two readings of the screen while the tool prints: a spinner is not to keep a slow guest busy. */
const READ_MS = 200;

export interface LoginTerminalOptions {
  modules: NativeModules;
  login: Pick<Login, 'command'>;
  env: Readonly<Record<string, string>>;
  user: LoginUser;
  /** All that is on the screen and above it; after each change, at most five times a second. */
  onText: (text: string) => void;
  /** After the last text. */
  onExit: (exit: CommandExit) => void;
}

/** The tool's own login, as it runs in its terminal. */
export interface LoginTerminal {
  type(keys: string): void;
  text(): string;
  exited: Promise<CommandExit>;
  terminate(): void;
}

/** Throws HearthError exec_failed. */
export async function startLoginTerminal({
  modules,
  login,
  env,
  user,
  onText,
  onExit,
}: LoginTerminalOptions): Promise<LoginTerminal> {
  const pty = await startPty({ modules, command: login.command, env, cwd: user.home, user, ...SIZE });
  const terminal = createAnsweringTerminal({
    ...{ modules, ...SIZE, scrollbackLines: SCROLLBACK_LINES },
    answer: (bytes) => pty.write(bytes),
  });
  let drawn = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  pty.onData((bytes) => {
    drawn = terminal.write(bytes);
    timer ??= setTimeout(() => {
      timer = undefined;
      void drawn.then(() => onText(terminal.text()));
    }, READ_MS);
  });
  void pty.exited.then(async (exit) => {
    clearTimeout(timer);
    await drawn;
    onText(terminal.text());
    onExit(exit);
  });
  return {
    type: (keys) => pty.write(keys),
    text: () => terminal.text(),
    exited: pty.exited,
    terminate: () => pty.terminate(),
  };
}
