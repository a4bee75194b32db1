import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runOrThrow, type Run } from '../exec/run.ts';
import type { Step } from './steps.ts';

/** A file that a build script makes out of sources; built again only where a source has changed. */
export interface SourceBundle {
  name: string;
  buildScript: string;
  output: string;
  /** Files and folders whose content decides. */
  sources: readonly string[];
}

const BUILD_TIMEOUT_MS = 120_000;

export function sourceBundleStep(
  run: Run,
  { name, buildScript, output, sources }: SourceBundle,
  signal: AbortSignal,
): Step {
  const stamp = `${output}.sources`;
  let hash = '';
  return {
    name,
    expectedMs: 1500,
    isDone: async () => {
      hash = await hashSources([buildScript, ...sources]);
      if ((await readIfThere(stamp)) !== hash) return null;
      return (await exists(output)) ? 'up to date' : null;
    },
    run: async () => {
      await runOrThrow(run, process.execPath, [buildScript], { timeoutMs: BUILD_TIMEOUT_MS, signal });
      await mkdir(dirname(stamp), { recursive: true });
      await writeFile(stamp, hash);
      return 'built';
    },
  };
}

/** Of names and contents, in a fixed order; tests are no part of a bundle. */
export async function hashSources(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    for (const file of (await filesBelow(path)).sort()) {
      if (file.endsWith('.test.ts')) continue;
      hash
        .update(`${file}\0`)
        .update(await readFile(file))
        .update('\0');
    }
  }
  return hash.digest('hex');
}

async function filesBelow(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true, recursive: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return [path];
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
