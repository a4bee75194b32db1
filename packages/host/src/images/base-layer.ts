import { chmod, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diskLabels, HearthError } from '@hearth/contract';
import { assembleRoot } from './assemble-root.ts';
import { hashFile, hashValue } from './content-hash.ts';
import { installedPackages, makeDebianTree } from './debian-tree.ts';
import { makeExt4, readOnlyOptions, treeSizeMiB } from './ext4.ts';
import { allocatedBytes, writeJson, type StorePaths } from './image-store.ts';
import { packInitramfs } from './initramfs.ts';
import { extractVmlinux } from './kernel-image.ts';
import { baseLayerSchema, readLayer, type BaseLayer } from './layer-record.ts';
import type { Recipe } from './recipe.ts';
import type { Stages } from './build-stages.ts';
import { makeToolsTree } from './tools-tree.ts';

interface BaseLayerOptions {
  paths: StorePaths;
  /** Scratch folder in the store's own file system, so that a finished layer is moved into place by a rename. */
  folder: string;
  recipe: Recipe;
  mirror?: string;
  /** The host's npm program. */
  npm: string;
  env: Record<string, string>;
  stages: Stages;
  signal: AbortSignal;
  onLine: (line: string) => void;
}

/** The layer that these inputs were built to last; null where there is none. */
export async function findBaseLayer(paths: StorePaths, inputsHash: string): Promise<BaseLayer | null> {
  return await readLayer(join(paths.inputs, inputsHash), baseLayerSchema);
}

/** Builds the base layer: the distribution, the tools, the kernel and the initramfs. Minutes. */
export async function makeBaseLayer(options: BaseLayerOptions): Promise<BaseLayer> {
  const { paths, folder, recipe, npm, env, stages, signal, onLine, mirror } = options;
  const toolsTree = join(folder, 'tools');
  // Both wait for the network most of the time. If one fails, the other is ended before the folder is cleared.
  const other = new AbortController();
  const both = AbortSignal.any([signal, other.signal]);
  const endOther = (error: unknown): never => {
    other.abort(error);
    throw error;
  };
  const [tree, toolList] = await Promise.allSettled([
    stages
      .run('packages', () =>
        makeDebianTree({
          recipe,
          folder,
          env,
          signal: both,
          onLine,
          ...(mirror === undefined ? {} : { mirror }),
        }),
      )
      .catch(endOther),
    stages
      .run('tools', () =>
        makeToolsTree({
          source: join(recipe.folder, 'tools'),
          target: toolsTree,
          npm,
          node: process.execPath,
          env,
          signal: both,
          onLine,
        }),
      )
      .catch(endOther),
  ]);
  signal.throwIfAborted();
  if (tree.status === 'rejected' || toolList.status === 'rejected') {
    throw other.signal.reason instanceof Error
      ? other.signal.reason
      : new HearthError('image_build_failed', 'a step failed');
  }
  const root = tree.value;
  const tools = toolList.value;

  const result = join(folder, 'base');
  await mkdir(result, { mode: 0o755 });
  const packages = await installedPackages(root);
  const release = await kernelRelease(root);
  const vmlinux = join(result, 'vmlinux');
  const initrd = join(result, 'initrd');
  await stages.run('kernel', async () => {
    await writeFile(vmlinux, await extractVmlinux(join(root, 'boot', `vmlinuz-${release}`)));
    const packed = await packInitramfs({
      root,
      release,
      initPath: join(recipe.folder, 'initramfs', 'init'),
      modules: recipe.settings.initramfsModules,
      signal,
    });
    await writeFile(initrd, packed);
  });
  await stages.run('assemble', () => assembleRoot(root, toolsTree, recipe));

  // The versions of the packages are part of the name: the same recipe a month later is another image.
  const hash = hashValue({ inputs: recipe.inputsHash, packages, release }).slice(0, 24);
  const base = join(result, 'base.ext4');
  await stages.run('base layer', async () => {
    const usedMiB = await treeSizeMiB(root, signal);
    await makeExt4({
      path: base,
      label: diskLabels.base,
      sizeMiB: Math.ceil(usedMiB * 1.1) + 64,
      content: root,
      seed: hash.padEnd(32, '0'),
      options: readOnlyOptions(hash.padEnd(32, '0')),
      signal,
    });
    await rm(root, { recursive: true });
  });

  const target = join(paths.layers, hash);
  const record = await stages.run('checksums', async (): Promise<BaseLayer> => {
    let allocated = 0;
    const seal = async (name: string): Promise<{ path: string; sha256: string; bytes: number }> => {
      const path = join(result, name);
      await chmod(path, 0o444);
      allocated += await allocatedBytes(path);
      const { size } = await stat(path);
      return { path: join(target, name), sha256: await hashFile(path, signal), bytes: size };
    };
    const kernel = { release, ...(await seal('vmlinux')) };
    const sealedInitrd = await seal('initrd');
    const layer = { role: 'base' as const, ...(await seal('base.ext4')) };
    return {
      hash,
      inputsHash: recipe.inputsHash,
      suite: recipe.profile.suite,
      kernel,
      initrd: sealedInitrd,
      layer,
      packages,
      tools,
      allocatedBytes: allocated,
    };
  });
  return await publishBaseLayer(paths, result, target, record);
}

/** Moves a finished layer into place; where the very same one is there, that one stays. */
async function publishBaseLayer(
  paths: StorePaths,
  result: string,
  target: string,
  record: BaseLayer,
): Promise<BaseLayer> {
  const present = await readLayer(target, baseLayerSchema);
  if (present === null) {
    await writeJson(join(result, 'layer.json'), record);
    await rename(result, target);
  }
  const kept = present ?? record;
  await writeInputs(paths, kept);
  return kept;
}

async function writeInputs(paths: StorePaths, record: BaseLayer): Promise<void> {
  const folder = join(paths.inputs, record.inputsHash);
  await mkdir(folder, { recursive: true });
  await writeJson(join(folder, 'layer.json'), record);
}

async function kernelRelease(root: string): Promise<string> {
  const releases = await readdir(join(root, 'lib/modules'));
  const [release] = releases;
  if (release === undefined || releases.length > 1) {
    throw new HearthError(
      'image_build_failed',
      `expected one kernel in the tree, found: ${releases.join(', ') || 'none'}`,
    );
  }
  return release;
}
