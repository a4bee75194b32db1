import { HearthError, type Provider } from '@hearth/contract';
import { lstat, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { writeWhole } from '../system/files.ts';
import { linkFolder, unlinkFolder, type LinkedFolder } from './linked-folder.ts';
import {
  eraseFile,
  eraseFolder,
  isBelow,
  isMissing,
  makeFolders,
  placeLink,
  readSecret,
  removeLink,
  type NewFile,
  type Owner,
} from './secret-files.ts';
import { secretWords } from './secret-words.ts';
import type { WatchedFolder } from './watch-names.ts';

/** Where one provider's secret is: files in a folder of the tmpfs, with links to them from the home. */
export interface CredentialPlace {
  provider: Pick<Provider, 'id' | 'credential'>;
  /** In the tmpfs; made and removed by this module. */
  folder: string;
  home: string;
  owner: Owner;
}

/** A file of the credential as it is now. */
export interface FoundFile {
  path: string;
  content: Buffer;
  /** The tool put a file of its own in place of the link: the secret is on the home's disk. */
  strayed: boolean;
}

/** Where a file's bytes are, whatever the home's links do. */
export function secretPath({ folder }: CredentialPlace, path: string): string {
  return join(folder, path);
}

/** Makes the links, and the folders in which the tool writes. A file that is in the way of a link is erased. Throws HearthError. */
export async function linkHome(place: CredentialPlace): Promise<void> {
  const { provider, folder, home, owner } = place;
  const { files, link } = provider.credential;
  await makeFolders(dirname(folder), provider.id, owner);
  for (const path of files) await makeFolders(folder, dirname(path), owner);
  if (link.type === 'folder') {
    await linkFolder(folderPlace(place, link.folder));
    return;
  }
  for (const path of files) {
    await makeFolders(home, dirname(path), owner);
    const at = join(home, path);
    const found = await lstat(at).catch(nullIfMissing);
    if (found?.isDirectory() === true) throw new HearthError('file_failed', `${at} is a folder`);
    if (found?.isFile() === true) await eraseFile(at);
    await placeLink(at, secretPath(place, path), owner);
  }
}

/** Erases the secret and takes the links away; the home is as it would be without it. */
export async function unlinkHome(place: CredentialPlace): Promise<void> {
  const { provider, folder, home } = place;
  const { files, link } = provider.credential;
  if (link.type === 'folder') {
    const never: string[] = [];
    for (const path of files)
      never.push(...secretWords((await readSecret(secretPath(place, path)))?.toString() ?? ''));
    await unlinkFolder(folderPlace(place, link.folder), never);
  } else {
    for (const path of files) await removeLink(join(home, path), secretPath(place, path));
  }
  await eraseFolder(folder);
}

/** A tool may have put its file in place of the link at the last moment: after the links are away, it is erased, too. */
export async function eraseStrayed(place: CredentialPlace): Promise<void> {
  for (const { path } of await findFiles(place)) await eraseFile(join(place.home, path));
}

/** The files as the tool sees them. */
export async function findFiles(place: CredentialPlace): Promise<FoundFile[]> {
  const root = await realpath(place.home);
  const found: FoundFile[] = [];
  for (const path of place.provider.credential.files) {
    const at = await realpath(join(place.home, path)).catch(nullIfMissing);
    if (at === null) continue;
    const inPlace = at === secretPath(place, path);
    if (!inPlace && !isBelow(at, root)) continue;
    const content = await readSecret(at);
    if (content !== null) found.push({ path, content, strayed: !inPlace });
  }
  return found;
}

/** Files as they are to be written into the tmpfs. */
export function newFiles(
  place: CredentialPlace,
  files: readonly { path: string; content: Uint8Array }[],
): NewFile[] {
  return files.map(({ path, content }) => ({ path: secretPath(place, path), content, owner: place.owner }));
}

/** Writes files without a secret into the home, where they don't exist. Throws HearthError. */
export async function writeMissing(
  { home, owner }: Pick<CredentialPlace, 'home' | 'owner'>,
  files: readonly { path: string; text: string }[],
  randomBytes: (size: number) => Uint8Array,
): Promise<void> {
  for (const { path, text } of files) {
    const at = join(home, path);
    if ((await lstat(at).catch(nullIfMissing)) !== null) continue;
    await makeFolders(home, dirname(path), owner);
    await writeWhole(at, Readable.from([Buffer.from(text)]), {
      ...{ mode: 0o600, ...owner, randomBytes },
      conflict: 'replace',
    });
  }
}

/** Files of an earlier version that the new one doesn't have. */
export async function removeOthers(place: CredentialPlace, kept: readonly string[]): Promise<void> {
  for (const path of place.provider.credential.files)
    if (!kept.includes(path)) {
      await eraseFile(secretPath(place, path));
      await rm(secretPath(place, path), { force: true });
    }
}

export function folderPlace(place: CredentialPlace, folder: string): LinkedFolder {
  return {
    linked: join(place.home, folder),
    inMemory: join(place.folder, folder),
    onDisk: join(place.home, `${folder}.on-disk`),
    secrets: place.provider.credential.files.flatMap((path) =>
      path.startsWith(`${folder}/`) ? [path.slice(folder.length + 1)] : [],
    ),
    owner: place.owner,
  };
}

function nullIfMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}

/** The tool writes in the tmpfs, or puts a file of its own in a link's place. */
export function watchedFolders(place: CredentialPlace): WatchedFolder[] {
  const { files, link } = place.provider.credential;
  if (link.type === 'folder') {
    const { inMemory, linked } = folderPlace(place, link.folder);
    return [{ folder: inMemory }, { folder: dirname(linked), names: [link.folder.split('/').at(-1) ?? ''] }];
  }
  return files.flatMap((path) => {
    const names = [path.split('/').at(-1) ?? ''];
    return [
      { folder: dirname(secretPath(place, path)), names },
      { folder: dirname(join(place.home, path)), names },
    ];
  });
}
