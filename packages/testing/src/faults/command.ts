import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const runFile = promisify(execFile);
const COMMAND_TIMEOUT_MS = 30_000;

/** Runs a program of the host to its end and gives what it printed; throws with its words unless it succeeds. */
export async function command(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await runFile(name, args, { timeout: COMMAND_TIMEOUT_MS });
  return stdout;
}

/** The same within the VMs' network namespace. */
export const inNamespace = (namespace: string, name: string, ...args: string[]): Promise<string> =>
  command('ip', 'netns', 'exec', namespace, name, ...args);
