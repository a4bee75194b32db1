import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseWith, whySchema, type Config, type VmId, type Why } from '@hearth/contract';
import { vmPaths } from '../vms/vm-paths.ts';

/** The last diagnosis of each VM that failed or stopped answering. It lies with the VM's console, and outlives the VM as that does. */
export interface WhyStore {
  keep(why: Why): Promise<void>;
  /** null where none was kept. Throws internal where what was kept can't be read. */
  find(vmId: VmId): Promise<Why | null>;
}

export function createWhyStore(config: Pick<Config, 'stateDir' | 'runDir'>): WhyStore {
  const folderOf = (vmId: VmId): string => vmPaths(config, vmId).consoleFolder;
  return {
    keep: async (why) => {
      const folder = folderOf(why.vmId);
      const path = join(folder, 'why.json');
      const unfinished = `${path}.new`;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(unfinished, `${JSON.stringify(why, null, 2)}\n`, { mode: 0o600 });
      await rename(unfinished, path);
    },
    find: async (vmId) => {
      const path = join(folderOf(vmId), 'why.json');
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
      return parseWith(whySchema.nullable(), parseJson(text), 'internal', path);
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema's complaint names the file.
    return undefined;
  }
}
