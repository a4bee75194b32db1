import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { vmIdSchema, type Config, type Log, type VmId } from '@hearth/contract';
import { identifyProcess, signalProcess } from '../exec/process-identity.ts';
import { vmPaths } from './vm-paths.ts';

export interface SweepCounts {
  vmms: number;
  folders: number;
  consoles: number;
}

const DAY_MS = 24 * 3600 * 1000;

/**
 * Removes what no record speaks of: folders of VMs, with a VMM that still runs from them, and consoles that were kept
 * long enough.
 */
export async function sweepLeftovers(
  config: Config,
  known: ReadonlySet<VmId>,
  nowMs: number,
  log: Log,
): Promise<SweepCounts> {
  const counts: SweepCounts = { vmms: 0, folders: 0, consoles: 0 };
  for (const parent of [join(config.runDir, 'vms'), join(config.stateDir, 'vms')]) {
    for (const id of await vmFolders(parent)) {
      if (known.has(id)) continue;
      if (await endVmm(vmPaths(config, id).pid)) counts.vmms += 1;
      await rm(join(parent, id), { recursive: true, force: true });
      counts.folders += 1;
    }
  }
  for (const id of await vmFolders(join(config.stateDir, 'consoles'))) {
    if (known.has(id)) continue;
    const { consoleFolder } = vmPaths(config, id);
    const newest = (await stat(consoleFolder)).mtimeMs;
    if (nowMs - newest < config.controller.retentionDays * DAY_MS) continue;
    await rm(consoleFolder, { recursive: true, force: true });
    counts.consoles += 1;
  }
  if (counts.vmms + counts.folders + counts.consoles > 0)
    log('swept leftovers without a record', { ...counts });
  return counts;
}

async function vmFolders(parent: string): Promise<VmId[]> {
  const names = await readdir(parent).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return names.flatMap((name) => vmIdSchema.safeParse(name).data ?? []);
}

/** Ends the VMM whose pid file lies there, if its command line names that very file. */
async function endVmm(pidPath: string): Promise<boolean> {
  const pid = Number.parseInt(await readFile(pidPath, 'utf8').catch(() => ''), 10);
  if (!Number.isInteger(pid) || pid <= 1) return false;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const identity = await identifyProcess(pid);
  if (identity === null || !commandLine.includes(dirname(pidPath))) return false;
  return signalProcess(identity, 'SIGKILL');
}
