import { chmod, copyFile, mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { diskLabels, HearthError } from '@hearth/contract';
import { runBound } from './bound-run.ts';
import { hashFile, hashValue } from './content-hash.ts';
import { makeExt4, readOnlyOptions } from './ext4.ts';
import { allocatedBytes, writeJson, type StorePaths } from './image-store.ts';
import { agentLayerSchema, readLayer, type AgentLayer } from './layer-record.ts';
import { isMissing } from './missing-file.ts';

/** Where the agent lies in the guest; hearth-agent.service starts it. */
const AGENT_FOLDER = 'opt/hearth/agent';
const MIN_SIZE_MIB = 4;

interface AgentLayerOptions {
  paths: StorePaths;
  folder: string;
  /** The bundled agent.mjs. */
  bundle: string;
  signal: AbortSignal;
}

/**
 * Makes (or finds) the tiny layer that holds the agent. The manifest's version is what this very bundle says of itself, so
 * an agent in a VM that differs is noticed (F9). The same text lies in the file `version` beside agent.mjs.
 */
export async function makeAgentLayer(options: AgentLayerOptions): Promise<AgentLayer> {
  const { paths, folder, bundle, signal } = options;
  let sha256: string;
  try {
    sha256 = await hashFile(bundle, signal);
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    throw new HearthError('image_build_failed', `the agent's bundle ${bundle} is not there`, {
      cause,
      hint: 'Make it with `npm run build -w @hearth/guest-agent`.',
    });
  }
  const version = (
    await runBound(process.execPath, [bundle, '--version'], { signal, timeoutMs: 20_000 })
  ).stdout.trim();
  if (!/^\S{1,64}$/.test(version))
    throw new HearthError('image_build_failed', `${bundle} --version prints no version`);
  const hash = hashValue({ layer: 'agent', sha256, version }).slice(0, 24);
  const target = join(paths.layers, hash);
  const present = await readLayer(target, agentLayerSchema);
  if (present !== null) return present;

  const content = join(folder, 'agent-root');
  const inGuest = join(content, AGENT_FOLDER);
  await mkdir(inGuest, { recursive: true });
  for (let path = inGuest; path !== folder; path = dirname(path)) await chmod(path, 0o755);
  await copyFile(bundle, join(inGuest, 'agent.mjs'));
  await writeFile(join(inGuest, 'version'), `${version}\n`);
  for (const name of ['agent.mjs', 'version']) await chmod(join(inGuest, name), 0o644);

  const result = join(folder, 'agent');
  const path = join(result, 'agent.ext4');
  await mkdir(result, { mode: 0o755 });
  const { size: bundleBytes } = await stat(bundle);
  const seed = hash.padEnd(32, '0');
  const mkfsOptions = [...readOnlyOptions(seed), '-N', '32'];
  const sizeMiB = MIN_SIZE_MIB + Math.ceil(bundleBytes / 1024 / 1024);
  await makeExt4({ path, label: diskLabels.agent, sizeMiB, content, seed, options: mkfsOptions, signal });
  await chmod(path, 0o444);
  const record: AgentLayer = {
    hash,
    layer: {
      role: 'agent',
      path: join(target, 'agent.ext4'),
      sha256: await hashFile(path, signal),
      bytes: (await stat(path)).size,
    },
    agent: { version, sha256 },
    allocatedBytes: await allocatedBytes(path),
  };
  await writeJson(join(result, 'layer.json'), record);
  await rename(result, target);
  return record;
}
