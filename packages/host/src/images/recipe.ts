import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { capabilitySchema, HearthError, parseWith, type Capability } from '@hearth/contract';
import { z } from 'zod';
import { hashFile, hashTree, hashValue } from './content-hash.ts';
import { isMissing } from './missing-file.ts';

/** Counts changes of the builder itself that change what it makes from the same recipe. */
const BUILDER_REVISION = 1;

const profileSchema = z.strictObject({
  name: z.string(),
  suite: z.string().regex(/^[a-z][a-z0-9-]*$/),
  distribution: z.enum(['debian', 'ubuntu']),
  /** Keys of the archive, as a package of the host's installs them. */
  keyring: z.string(),
  keyringPackage: z.string(),
  components: z.array(z.string()).min(1),
  pockets: z.array(z.string()).min(1),
  kernelPackage: z.string(),
  packages: z.array(z.string()).min(1),
});
export type Profile = z.infer<typeof profileSchema>;

const recipeSchema = z.strictObject({
  initramfsModules: z.array(z.string()).min(1),
  dpkgOptions: z.array(z.string()),
  /** Globs below the tree that are removed once the packages are in. */
  remove: z.array(z.string().startsWith('/')),
  /** Unit that pulls in -> units. */
  enable: z.record(z.string(), z.array(z.string())),
  mask: z.array(z.string()),
  maskGenerators: z.array(z.string()),
  /** All other rules of the packages are masked. */
  keepUdevRules: z.array(z.string()),
});
export type RecipeSettings = z.infer<typeof recipeSchema>;

/** What an image is made from, but for the packages' own versions. */
export interface Recipe {
  /** The `image` folder of the project. */
  folder: string;
  profile: Profile;
  settings: RecipeSettings;
  capabilities: Capability[];
  /** Names the inputs of the base layer. */
  inputsHash: string;
}

/** Reads and checks the recipe. Throws where the suite has no profile. */
export async function readRecipe(folder: string, suite: string): Promise<Recipe> {
  const profilePath = join(folder, 'profiles', `${suite}.json`);
  let profileText: string;
  try {
    profileText = await readFile(profilePath, 'utf8');
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    throw new HearthError(
      'image_build_failed',
      `there is no profile for the suite ${suite} (${profilePath})`,
      { cause },
    );
  }
  const profile = parseJson(profileSchema, profileText, profilePath);
  const settingsPath = join(folder, 'recipe.json');
  const settings = parseJson(recipeSchema, await readFile(settingsPath, 'utf8'), settingsPath);
  const capabilitiesPath = join(folder, 'capabilities.json');
  const capabilities = parseJson(
    z.array(capabilitySchema),
    await readFile(capabilitiesPath, 'utf8'),
    capabilitiesPath,
  );
  const inputsHash = hashValue({
    builder: BUILDER_REVISION,
    arch: 'x86_64',
    profile,
    settings,
    rootfs: await hashTree(join(folder, 'rootfs')),
    init: await hashFile(join(folder, 'initramfs', 'init')),
    tools: await hashFile(join(folder, 'tools', 'package-lock.json')),
  });
  return { folder, profile, settings, capabilities, inputsHash };
}

function parseJson<T extends z.ZodType>(schema: T, text: string, path: string): z.infer<T> {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new HearthError('image_build_failed', `${path} is not JSON`, { cause });
  }
  return parseWith(schema, data, 'image_build_failed', path);
}
