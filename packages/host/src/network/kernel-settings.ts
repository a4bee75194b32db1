import { HearthError } from '@hearth/contract';
import type { Run } from './run-port.ts';

/**
 * Sets /proc/sys/PATH in the network namespace in which `run` runs.
 * By a child and not by writeFile: the kernel picks the namespace by the process that opens the file.
 */
export async function writeKernelSetting(
  run: Run,
  path: string,
  value: string,
  { optional = false, signal }: { optional?: boolean; signal?: AbortSignal } = {},
): Promise<void> {
  const { exitCode, stderr } = await run('tee', [`/proc/sys/${path}`], {
    input: value,
    okCodes: [0, 1],
    ...(signal === undefined ? {} : { signal }),
  });
  if (exitCode === 0 || (optional && stderr.includes('No such file or directory'))) return;
  throw new HearthError('network_failed', `${path} could not be set to ${value}: ${stderr}`);
}
