import { HearthError } from '@hearth/contract';
import { execFile } from 'node:child_process';

const TIMEOUT_MS = 10_000;

/** Runs a short program of the guest's own to its end and gives its output. Throws HearthError internal. */
export async function runCommand(
  program: string,
  args: readonly string[],
  timeoutMs = TIMEOUT_MS,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile(
    program,
    [...args],
    {
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: 4 * 1024 * 1024,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
    },
    (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      const words = (stderr || stdout || error.message).trim().slice(-500);
      reject(new HearthError('internal', `${program} ${args.join(' ')}: ${words}`, { cause: error }));
    },
  );
  return promise;
}
