import { truncate, writeFile } from 'node:fs/promises';
import { runBound } from './bound-run.ts';

interface Ext4Options {
  path: string;
  label: string;
  sizeMiB: number;
  /** Folder whose content the file system gets. */
  content?: string;
  /** Hex digits that make the file system's id and its directory hashes the same for the same content. */
  seed: string;
  /** More options of mkfs.ext4. */
  options: readonly string[];
  signal: AbortSignal;
}

/** Makes a raw ext4 file; it is sparse, so that it takes what is in it. */
export async function makeExt4({
  path,
  label,
  sizeMiB,
  content,
  seed,
  options,
  signal,
}: Ext4Options): Promise<void> {
  await writeFile(path, '', { mode: 0o644 });
  await truncate(path, sizeMiB * 1024 * 1024);
  await runBound(
    'mkfs.ext4',
    [
      ...['-q', '-F', '-L', label, '-U', uuidOf(seed), '-m', '0'],
      ...options,
      ...(content === undefined ? [] : ['-d', content]),
      path,
    ],
    { signal },
  );
}

/** A layer is only ever mounted read-only: no journal, nothing kept for growing. */
export const readOnlyOptions = (seed: string): string[] => [
  ...['-O', '^has_journal,^resize_inode'],
  ...['-E', `hash_seed=${uuidOf(seed)}`],
];

const uuidOf = (hex: string): string =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');

/** What a tree takes on the disk, to size its file system. */
export async function treeSizeMiB(folder: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await runBound('du', ['-s', '-x', '-B1M', folder], { signal });
  return Number(stdout.split(/\s/)[0]);
}
