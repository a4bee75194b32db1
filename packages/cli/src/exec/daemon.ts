import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';

export interface StartedDaemon {
  pid: number;
  /** Resolves if it ends while this process lives. */
  ended: Promise<{ exitCode: number | null; signal: string | null }>;
}

export type StartDaemon = (
  command: string,
  args: readonly string[],
  options: { logPath: string; env: Record<string, string>; cwd: string },
) => Promise<StartedDaemon>;

/** Starts a program that outlives this process: a session of its own, no pipe to us, its words appended to a log. */
export const startDaemon: StartDaemon = async (command, args, { logPath, env, cwd }) => {
  const log = await open(logPath, 'a', 0o640);
  try {
    const child = spawn(command, [...args], { detached: true, stdio: ['ignore', log.fd, log.fd], env, cwd });
    const { promise: ended, resolve } = Promise.withResolvers<{
      exitCode: number | null;
      signal: string | null;
    }>();
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
    const { promise: spawned, resolve: onSpawn, reject } = Promise.withResolvers<undefined>();
    child.once('spawn', () => onSpawn(undefined));
    child.once('error', reject);
    await spawned;
    child.unref();
    return { pid: child.pid ?? 0, ended };
  } finally {
    await log.close();
  }
};
