import { access } from 'node:fs/promises';
import type { Progress, VmId } from '@hearth/contract';
import { lookAtProcess } from '../exec/process-identity.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { Sight } from './compare.ts';
import type { Expectation, ExpectedVm } from './expectation.ts';

/** Looks at all that is expected. Throws network_failed. */
export async function look(
  { vms }: Expectation,
  network: { sight(progress: Progress): Promise<NetworkSight> },
  progress: Progress,
): Promise<Sight> {
  const [sight, processes, missing] = await Promise.all([
    network.sight(progress),
    Promise.all(vms.map(async (vm) => [vm.id, await lookAtVmm(vm)] as const)),
    Promise.all(vms.flatMap(({ files }) => files.map(({ path }) => missingPath(path)))),
  ]);
  progress.throwIfAborted();
  return {
    network: sight,
    processes: new Map(
      processes.flatMap(([id, state]): [VmId, NonNullable<typeof state>][] =>
        state === null ? [] : [[id, state]],
      ),
    ),
    missingFiles: new Set(missing.filter((path) => path !== null)),
  };
}

async function lookAtVmm({ running }: ExpectedVm): Promise<'runs' | 'stopped' | 'gone' | null> {
  // The VMM of one that is being saved may end by itself.
  if (running === null || running.state === 'hibernating') return null;
  const { pid, startTicks } = running.process;
  const found = await lookAtProcess(pid);
  if (found === null || found.startTicks !== startTicks) return 'gone';
  return found.stopped ? 'stopped' : 'runs';
}

async function missingPath(path: string): Promise<string | null> {
  try {
    await access(path);
    return null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path;
    throw error;
  }
}
