import { randomBytes } from 'node:crypto';
import { cp, mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import {
  asHearthError,
  HearthError,
  imageIdSchema,
  type ImageEvent,
  type ImageId,
  type ImageManifest,
} from '@hearth/contract';
import { makeAgentLayer } from './agent-layer.ts';
import { findBaseLayer, makeBaseLayer } from './base-layer.ts';
import { openBuildLog } from './build-log.ts';
import { startStages } from './build-stages.ts';
import { hashValue } from './content-hash.ts';
import { requirePrograms } from './debian-tree.ts';
import { openStore, readImage, writeJson, type StorePaths } from './image-store.ts';
import { makeBuildFolder, removeLeftovers, removeTree } from './leftovers.ts';
import { readRecipe, type Recipe } from './recipe.ts';
import { lockStore } from './store-lock.ts';
import type { AgentLayer, BaseLayer } from './layer-record.ts';

/** Room for the tree of packages (1.2 GB), the tools (1 GB) and the layer made of both (2.2 GB). */
const FULL_BUILD_MIB = 6144;
const AGENT_BUILD_MIB = 64;
const KEPT_LOGS = 10;

const PROGRAMS = {
  '/usr/bin/setpriv': 'util-linux',
  '/usr/bin/flock': 'util-linux',
  '/usr/bin/unshare': 'util-linux',
  '/usr/bin/mmdebstrap': 'mmdebstrap',
  '/usr/sbin/mkfs.ext4': 'e2fsprogs',
} as const;

interface BuildOptions {
  store: string;
  /** The project's `image` folder. */
  recipeFolder: string;
  suite: string;
  mirror?: string;
  /** Builds the base layer anew even where these inputs were built before: takes the packages' newest versions. */
  force: boolean;
  agentBundle: string;
  /** The host's npm program. */
  npm: string;
  env: Record<string, string>;
  signal: AbortSignal;
  emit: (event: ImageEvent) => void;
}

interface BuildResult {
  manifest: ImageManifest;
  /** Nothing had to be built. */
  reused: boolean;
  elapsedMs: number;
}

/** Builds an image, or what of it isn't there yet. Cut off at any point, it leaves only what the next build clears away. */
export async function buildImage(options: BuildOptions): Promise<BuildResult> {
  const { store, suite, signal, emit } = options;
  if (process.getuid?.() !== 0) throw new HearthError('requirement_missing', 'an image is built as root');
  await requirePrograms(PROGRAMS);
  const paths = await openStore(store);
  const recipe = await readRecipe(options.recipeFolder, suite);
  const lock = await lockStore(paths.lock, signal, () =>
    emit({ type: 'message', text: `another build in ${store} is under way; waiting for it to end` }),
  );
  try {
    for (const folder of await removeLeftovers(store)) {
      emit({ type: 'message', text: `removed ${folder}, left by a build that was cut off` });
    }
    return await buildLocked(options, paths, recipe);
  } finally {
    await lock.release();
  }
}

async function buildLocked(options: BuildOptions, paths: StorePaths, recipe: Recipe): Promise<BuildResult> {
  const { store, force, signal, emit, agentBundle, npm, env, mirror } = options;
  const stages = await startStages(paths.timings, signal, emit);
  const present = force ? null : await findBaseLayer(paths, recipe.inputsHash);
  await requireSpace(store, present === null ? FULL_BUILD_MIB : AGENT_BUILD_MIB);
  const folder = await makeBuildFolder(store, randomBytes(4).toString('hex'));
  const logPath = join(paths.logs, `build-${new Date().toISOString().replaceAll(':', '-')}.log`);
  const log = openBuildLog(logPath, ({ message }) =>
    emit({ type: 'message', text: `the log ${logPath} can't be written: ${message}` }),
  );
  const onLine = (line: string): void => log.write(line);
  try {
    const agent = await stages.run('agent layer', () =>
      makeAgentLayer({ paths, folder, bundle: agentBundle, signal }),
    );
    const base =
      present ??
      (await makeBaseLayer({
        ...{ paths, folder, npm, env, stages, signal, onLine },
        recipe: await freezeRecipe(recipe, folder),
        ...(mirror === undefined ? {} : { mirror }),
      }));
    const { manifest, reused } = await publishImage(paths, folder, recipe, base, agent);
    await stages.save();
    return { manifest, reused, elapsedMs: stages.elapsedMs() };
  } catch (error) {
    if (signal.aborted) throw error;
    const full = error instanceof Error && 'code' in error && error.code === 'ENOSPC';
    const known = asHearthError(error, full ? 'disk_full' : 'image_build_failed');
    onLine(known.stack ?? known.message);
    throw new HearthError(known.code, `${known.detail} (full log: ${logPath})`, {
      ...known.options,
      cause: known,
    });
  } finally {
    await log.close();
    await removeTree(folder);
    await removeOldLogs(paths.logs);
  }
}

/** A build takes minutes: what is edited meanwhile must not get into a layer that is named after what was there before. */
async function freezeRecipe(recipe: Recipe, folder: string): Promise<Recipe> {
  const copy = join(folder, 'recipe');
  await cp(recipe.folder, copy, { recursive: true });
  const frozen = await readRecipe(copy, recipe.profile.suite);
  if (frozen.inputsHash === recipe.inputsHash) return frozen;
  throw new HearthError(
    'image_build_failed',
    `${recipe.folder} was changed while the build began; start it again`,
  );
}

/** The manifest is the last thing to appear: an image that is listed is whole. */
async function publishImage(
  paths: StorePaths,
  folder: string,
  recipe: Recipe,
  base: BaseLayer,
  agent: AgentLayer,
): Promise<{ manifest: ImageManifest; reused: boolean }> {
  const id = imageIdOf(recipe, base, agent);
  const target = join(paths.images, id);
  if ((await readdir(paths.images)).includes(id))
    return { manifest: await readImage(paths.root, id), reused: true };
  const manifest: ImageManifest = {
    id,
    createdAt: new Date().toISOString(),
    suite: base.suite,
    arch: 'x86_64',
    kernel: base.kernel,
    initrd: base.initrd,
    layers: [base.layer, agent.layer],
    packages: base.packages,
    tools: base.tools,
    agent: agent.agent,
    capabilities: recipe.capabilities,
    totalBytes: base.allocatedBytes + agent.allocatedBytes,
  };
  const result = join(folder, 'image');
  await mkdir(result, { mode: 0o755 });
  await writeJson(join(result, 'manifest.json'), manifest);
  await rename(result, target);
  return { manifest, reused: false };
}

/** An image's id follows from all that is in it: what it declares counts too, since the gate checks that. */
export function imageIdOf(
  recipe: Pick<Recipe, 'capabilities'>,
  base: Pick<BaseLayer, 'hash' | 'suite'>,
  agent: Pick<AgentLayer, 'hash'>,
): ImageId {
  const hash = hashValue({
    arch: 'x86_64',
    suite: base.suite,
    base: base.hash,
    agent: agent.hash,
    capabilities: recipe.capabilities,
  });
  return imageIdSchema.parse(`img-${hash.slice(0, 12)}`);
}

async function requireSpace(folder: string, neededMiB: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeMiB = Math.floor((bavail * bsize) / 1024 / 1024);
  if (freeMiB >= neededMiB) return;
  throw new HearthError('disk_full', `${folder} has ${freeMiB} MiB free; this build needs ${neededMiB} MiB`);
}

async function removeOldLogs(folder: string): Promise<void> {
  const names = (await readdir(folder)).sort();
  for (const name of names.slice(0, -KEPT_LOGS)) await rm(join(folder, name), { force: true });
}
