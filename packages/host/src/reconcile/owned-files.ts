import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { vmIdSchema, type Config, type TraceKind, type VmId } from '@hearth/contract';

/** A file or folder of a VM that this Hearth keeps. */
export interface OwnedFile {
  kind: Extract<TraceKind, 'socket' | 'disk' | 'folder' | 'console'>;
  path: string;
  vmId: VmId;
  /** When it was last written to; of a console folder the newest in it. */
  changedMs: number;
}

/** All sockets, disks, folders and consoles of VMs, whether they have a record or not; a folder comes after what is in it. */
export async function findOwnedFiles({
  stateDir,
  runDir,
}: Pick<Config, 'stateDir' | 'runDir'>): Promise<OwnedFile[]> {
  const [sockets, disks, saves, consoles] = await Promise.all([
    foldersOf(join(runDir, 'vms'), (name) => (name.endsWith('.sock') ? 'socket' : null)),
    foldersOf(join(stateDir, 'vms'), (name) => (/\.(ext4|state)$/.test(name) ? 'disk' : null)),
    savesOf(join(runDir, 'saves')),
    consolesOf(join(stateDir, 'consoles')),
  ]);
  return [...sockets, ...disks, ...saves, ...consoles];
}

/** The folder of each VM below `parent`, and those files in it that count by themselves. */
async function foldersOf(
  parent: string,
  kindOf: (name: string) => OwnedFile['kind'] | null,
): Promise<OwnedFile[]> {
  const found = await Promise.all(
    (await idsIn(parent)).map(async (vmId) => {
      const folder = join(parent, vmId);
      const inside = await Promise.all(
        (await names(folder)).map(async (name): Promise<OwnedFile | null> => {
          const kind = kindOf(name);
          const path = join(folder, name);
          const changedMs = kind === null ? null : await changed(path);
          return kind === null || changedMs === null ? null : { kind, path, vmId, changedMs };
        }),
      );
      const changedMs = await changed(folder);
      const own: OwnedFile[] = changedMs === null ? [] : [{ kind: 'folder', path: folder, vmId, changedMs }];
      return [...inside.filter((file) => file !== null), ...own];
    }),
  );
  return found.flat();
}

async function savesOf(folder: string): Promise<OwnedFile[]> {
  const found = await Promise.all(
    (await names(folder)).map(async (name): Promise<OwnedFile | null> => {
      const id = vmIdSchema.safeParse(basename(name, '.sock'));
      const path = join(folder, name);
      const changedMs = id.success ? await changed(path) : null;
      return !id.success || changedMs === null ? null : { kind: 'socket', path, vmId: id.data, changedMs };
    }),
  );
  return found.filter((file) => file !== null);
}

async function consolesOf(parent: string): Promise<OwnedFile[]> {
  const found = await Promise.all(
    (await idsIn(parent)).map(async (vmId): Promise<OwnedFile | null> => {
      const path = join(parent, vmId);
      const times = await Promise.all([
        changed(path),
        ...(await names(path)).map((name) => changed(join(path, name))),
      ]);
      const known = times.filter((time) => time !== null);
      return known.length === 0 ? null : { kind: 'console', path, vmId, changedMs: Math.max(...known) };
    }),
  );
  return found.filter((file) => file !== null);
}

/** What has another name than a VM's isn't ours to judge. */
const idsIn = async (parent: string): Promise<VmId[]> =>
  (await names(parent)).flatMap((name) => vmIdSchema.safeParse(name).data ?? []);

/** Empty where it isn't there, or is no folder. */
async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** null where it is gone by now. */
async function changed(path: string): Promise<number | null> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
