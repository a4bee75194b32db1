import { access, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HearthError } from '@hearth/contract';
import { formatSources, mirrorSources, pickSources, readHostSources } from './apt-sources.ts';
import { runBound } from './bound-run.ts';
import { isMissing } from './missing-file.ts';
import type { Recipe } from './recipe.ts';

interface DebianTreeOptions {
  recipe: Recipe;
  /** Archive to use in place of the host's own apt sources. */
  mirror?: string;
  /** Folder for scratch files; the tree becomes `root` in it. */
  folder: string;
  /** Variables that the caller lets through, such as http_proxy. */
  env: Record<string, string>;
  signal: AbortSignal;
  onLine: (line: string) => void;
}

/** Installs the distribution's packages into a new tree, and returns its path. */
export async function makeDebianTree(options: DebianTreeOptions): Promise<string> {
  const { recipe, mirror, folder, env, signal, onLine } = options;
  const { profile, settings } = recipe;
  await requireKeyring(recipe);
  const wanted = { suite: profile.suite, pockets: profile.pockets, components: profile.components };
  const sources =
    mirror === undefined ? pickSources(await readHostSources(), wanted) : mirrorSources(mirror, wanted);
  const sourcesPath = join(folder, 'sources.list');
  const dpkgPath = join(folder, 'dpkg.conf');
  const root = join(folder, 'root');
  await writeFile(sourcesPath, formatSources(sources, profile.suite, profile.keyring));
  // mmdebstrap's own scratch goes with the build; apt's unprivileged user reads in it.
  const scratch = join(folder, 'tmp');
  await mkdir(scratch);
  await chmod(scratch, 0o1777);
  await writeFile(dpkgPath, `${settings.dpkgOptions.join('\n')}\n`);
  // A mount and a process namespace of its own: nothing stays mounted, and nothing keeps running, when it is killed.
  await runBound(
    'unshare',
    [
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      'mmdebstrap',
      '--mode=root',
      '--format=directory',
      '--variant=minbase',
      '--architectures=amd64',
      `--dpkgopt=${dpkgPath}`,
      '--aptopt=Apt::Install-Recommends "false"',
      '--aptopt=Acquire::Languages "none"',
      '--aptopt=Acquire::Retries "3"',
      `--include=${[profile.kernelPackage, ...profile.packages].join(',')}`,
      // No group or user is left to chance: agent and desktop rely on uid 1000. No password, no way to become root.
      '--customize-hook=chroot "$1" useradd --uid 1000 --user-group --create-home --shell /bin/bash hearth',
      profile.suite,
      root,
      sourcesPath,
    ],
    // INITRD=No: the kernel's package makes no initramfs of its own; ours is made by packInitramfs.
    { signal, onLine, env: { ...env, TMPDIR: scratch, INITRD: 'No', DEBIAN_FRONTEND: 'noninteractive' } },
  );
  return root;
}

async function requireKeyring({ profile }: Recipe): Promise<void> {
  try {
    await access(profile.keyring);
  } catch (cause) {
    throw new HearthError(
      'requirement_missing',
      `${profile.suite} needs the archive's keys in ${profile.keyring}, which is not there`,
      { cause, hint: `Install the package ${profile.keyringPackage}.` },
    );
  }
}

/** Packages of a tree with their versions, by name. */
export async function installedPackages(root: string): Promise<{ name: string; version: string }[]> {
  const status = await readFile(join(root, 'var/lib/dpkg/status'), 'utf8');
  return status
    .split('\n\n')
    .filter((stanza) => /^Status: .* installed$/m.test(stanza))
    .map((stanza) => ({
      name: /^Package: (.+)$/m.exec(stanza)?.[1] ?? '',
      version: /^Version: (.+)$/m.exec(stanza)?.[1] ?? '',
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Is this program installed on the host? Names the package if not. */
export async function requirePrograms(programs: Readonly<Record<string, string>>): Promise<void> {
  const missing = new Set<string>();
  for (const [path, packageName] of Object.entries(programs)) {
    try {
      await access(path);
    } catch (error) {
      if (!isMissing(error)) throw error;
      missing.add(packageName);
    }
  }
  if (missing.size === 0) return;
  const names = [...missing].sort().join(' ');
  throw new HearthError('requirement_missing', `an image build needs the Debian packages ${names}`, {
    hint: `Run: apt-get install ${names}`,
  });
}
