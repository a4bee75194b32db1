import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { pause, startProgress, type Log } from '@hearth/contract';

export interface CgroupLimits {
  memMiB: number;
  /** Whole and part cores. */
  cpus: number;
}

export interface CgroupTree {
  readonly version: 'v2' | 'v1' | 'none';
  /** Makes the group of one VM; `wrapper` is put before the VMM's command, so that it is inside from its first instruction. */
  create(name: string, limits: CgroupLimits): Promise<{ wrapper: string[] }>;
  remove(name: string): Promise<void>;
  /** Names of the groups that are there. */
  list(): Promise<string[]>;
  /** Removes the groups that have another name than these and no process. */
  sweep(known: ReadonlySet<string>): Promise<void>;
  /** Removes the parent group where it is empty. */
  close(): Promise<void>;
}

const ROOT = '/sys/fs/cgroup';
const PERIOD_US = 100_000;
/** Threads of a VMM: vCPUs, I/O, its worker pool. */
const MAX_TASKS = 512;

/** For machines without them. */
export const noCgroups: CgroupTree = {
  version: 'none',
  create: () => Promise.resolve({ wrapper: [] }),
  remove: () => Promise.resolve(),
  list: () => Promise.resolve([]),
  sweep: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/**
 * Groups with limits where the machine's cgroups allow it (v2, or v1 with cpu, memory and pids); otherwise the VMMs run
 * without, and the log says so.
 * @param tree name of the parent group, one for each Hearth
 */
export async function openCgroups(tree: string, log: Log, root = ROOT): Promise<CgroupTree> {
  const groups = (await tryV2(tree, root)) ?? (await tryV1(tree, root));
  if (groups === null) {
    log('cgroups with limits are not available on this machine: VMMs run without CPU and memory limits', {
      layer: 'vmm',
    });
    return noCgroups;
  }
  return groups;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The child writes its own pid into the groups and then becomes the VMM. */
const wrapperFor = (folders: string[]): string[] => [
  '/bin/sh',
  '-c',
  `${folders.map((folder) => `echo $$ > ${folder}/cgroup.procs || exit 70`).join('; ')}; exec "$@"`,
  'hearth-vmm',
];

async function removeFolders(folders: string[]): Promise<void> {
  const progress = startProgress({ what: 'removal of a cgroup', timeoutMs: 5000 });
  for (const folder of folders) {
    for (;;) {
      try {
        await rmdir(folder);
        break;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'ENOENT') break;
        if (code !== 'EBUSY') throw error;
        // What runs in it is of a VM that is given up; a process that just ended still counts for a moment.
        await killMembers(folder);
        await pause(20, progress.signal);
      }
    }
  }
}

async function killMembers(folder: string): Promise<void> {
  let text: string;
  try {
    text = await readFile(`${folder}/cgroup.procs`, 'utf8');
  } catch (error) {
    // Gone meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  for (const pid of text.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** What a killed VMM or a daemon that ended left in these parent groups. */
function tidying(parents: readonly string[]): Pick<CgroupTree, 'list' | 'sweep' | 'close'> {
  const groupsIn = async (parent: string): Promise<string[]> => {
    const entries = await readdir(parent, { withFileTypes: true }).catch(nothingThere);
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  };
  return {
    list: async () => [...new Set((await Promise.all(parents.map(groupsIn))).flat())],
    sweep: async (known) => {
      for (const parent of parents) {
        const unknown = (await groupsIn(parent)).filter((name) => !known.has(name));
        for (const name of unknown) await removeIfEmpty(`${parent}/${name}`);
      }
    },
    close: async () => {
      for (const parent of parents) await removeIfEmpty(parent);
    },
  };
}

function nothingThere(error: unknown): [] {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
  throw error;
}

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    // EBUSY: a process or a group lives in it, and so it stays.
    if (!['ENOENT', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

async function tryV2(tree: string, root: string): Promise<CgroupTree | null> {
  const controllers = await readFile(`${root}/cgroup.controllers`, 'utf8').catch(() => '');
  if (!controllers.includes('memory') || !controllers.includes('cpu')) return null;
  const parent = `${root}/${tree}`;
  try {
    await writeFile(`${root}/cgroup.subtree_control`, '+cpu +memory +pids');
    await mkdir(parent, { recursive: true });
    await writeFile(`${parent}/cgroup.subtree_control`, '+cpu +memory +pids');
  } catch {
    // Not ours to change (a container): the next kind is tried, and the lack is logged.
    return null;
  }
  return {
    version: 'v2',
    create: async (name, { memMiB, cpus }) => {
      const folder = `${parent}/${name}`;
      await mkdir(folder, { recursive: true });
      await writeFile(`${folder}/memory.max`, String(memMiB * 1024 * 1024));
      await writeFile(`${folder}/cpu.max`, `${Math.round(cpus * PERIOD_US)} ${PERIOD_US}`);
      await writeFile(`${folder}/pids.max`, String(MAX_TASKS));
      return { wrapper: wrapperFor([folder]) };
    },
    remove: (name) => removeFolders([`${parent}/${name}`]),
    ...tidying([parent]),
  };
}

async function tryV1(tree: string, root: string): Promise<CgroupTree | null> {
  const controllers = ['memory', 'cpu', 'pids'];
  for (const controller of controllers) {
    if (!(await exists(`${root}/${controller}/cgroup.procs`))) return null;
  }
  const folderOf = (controller: string, name: string): string => `${root}/${controller}/${tree}/${name}`;
  return {
    version: 'v1',
    create: async (name, { memMiB, cpus }) => {
      for (const controller of controllers) await mkdir(folderOf(controller, name), { recursive: true });
      await writeFile(`${folderOf('memory', name)}/memory.limit_in_bytes`, String(memMiB * 1024 * 1024));
      await writeFile(`${folderOf('cpu', name)}/cpu.cfs_period_us`, String(PERIOD_US));
      await writeFile(`${folderOf('cpu', name)}/cpu.cfs_quota_us`, String(Math.round(cpus * PERIOD_US)));
      await writeFile(`${folderOf('pids', name)}/pids.max`, String(MAX_TASKS));
      return { wrapper: wrapperFor(controllers.map((controller) => folderOf(controller, name))) };
    },
    remove: (name) => removeFolders(controllers.map((controller) => folderOf(controller, name))),
    ...tidying(controllers.map((controller) => `${root}/${controller}/${tree}`)),
  };
}

/** Name of the parent group of a Hearth. */
export const cgroupTreeName = (hearth: string): string => `hearth-${hearth}`;
