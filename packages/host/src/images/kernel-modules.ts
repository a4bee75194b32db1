import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HearthError } from '@hearth/contract';

/** `modules.dep`: module path -> paths of all modules that it needs. */
function parseModulesDep(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon === -1) continue;
    found.set(
      line.slice(0, colon),
      line
        .slice(colon + 1)
        .split(' ')
        .filter((path) => path !== ''),
    );
  }
  return found;
}

/** kernel/drivers/char/hw_random/virtio-rng.ko.xz -> virtio_rng: the kernel takes - and _ for the same. */
export function moduleName(path: string): string {
  return (path.split('/').pop() ?? path).replace(/\.ko(\.\w+)?$/, '').replaceAll('-', '_');
}

interface ModuleSet {
  /** Paths below lib/modules/<release>, with all that they need. */
  paths: string[];
  /** The part of modules.dep that is about them. */
  dep: string;
  /** What is asked for and not built into the kernel. */
  names: string[];
}

/** Finds modules with their dependencies; what is built into the kernel is left out. Throws where one is neither. */
export async function resolveModules(folder: string, names: readonly string[]): Promise<ModuleSet> {
  const dep = parseModulesDep(await readFile(join(folder, 'modules.dep'), 'utf8'));
  const builtIn = new Set(
    (await readFile(join(folder, 'modules.builtin'), 'utf8')).split('\n').map(moduleName),
  );
  const byName = new Map([...dep.keys()].map((path) => [moduleName(path), path]));
  const paths = new Set<string>();
  const loadable: string[] = [];
  for (const name of names) {
    const path = byName.get(moduleName(name));
    if (path === undefined) {
      if (builtIn.has(moduleName(name))) continue;
      throw new HearthError('image_build_failed', `the kernel in ${folder} has no module ${name} (F3)`);
    }
    loadable.push(name);
    for (const needed of [...(dep.get(path) ?? [])].reverse()) paths.add(needed);
    paths.add(path);
  }
  const kept = [...paths];
  return {
    paths: kept,
    dep: kept.map((path) => `${path}: ${(dep.get(path) ?? []).join(' ')}\n`).join(''),
    names: loadable,
  };
}
