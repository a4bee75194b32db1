import { runLimits, type GuestRunLine } from '@hearth/contract';
import { isUtf8 } from 'node:buffer';
import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, readdir, type FileHandle } from 'node:fs/promises';
import { entryOf, openEntryFolder, type HeldFolder } from './beneath.ts';

type Changes = Omit<GuestRunLine & { type: 'changes' }, 'seq' | 'type'>;

/** What is remembered of a file, or of a link, whose content is none of ours. */
interface KnownFile {
  /** Changes with everything that changes the file. */
  stamp: string;
  /** Epoch ms. */
  bornAtMs: number;
  modifiedAtMs: number;
  /** null: not a text, too large, or no room was left. */
  text: string | null;
}

/** What a folder held at one time. */
export interface FolderState {
  files: ReadonlyMap<string, KnownFile>;
  /** There was more than is looked at. */
  truncated: boolean;
  takenAtMs: number;
}

export interface WalkLimits {
  files: number;
  /** Of all texts together. */
  textBytes: number;
  depth: number;
  /** A large folder on a slow machine must not hold a run up for longer. */
  timeMs: number;
}

export const walkLimits: WalkLimits = { files: 2000, textBytes: 8 * 1024 * 1024, depth: 32, timeMs: 2000 };
/** Tools, not people, keep these. */
const SKIPPED_FOLDERS = new Set(['.git', 'node_modules', '.cache']);
/** Files looked at at once. */
const BATCH = 16;

export interface WalkOptions {
  /** The folder is the home itself: what tools keep there, credentials among it, begins with a dot and is nobody's work. */
  isHome: boolean;
  limits?: WalkLimits;
}

/** Remembers what is in a folder. Links are not followed; what can't be read is left out. */
export async function readFolderState(
  folder: HeldFolder,
  { isHome, limits = walkLimits }: WalkOptions,
  wantsText: (path: string, stamp: string) => boolean = () => true,
): Promise<FolderState> {
  const takenAtMs = Date.now();
  const endMs = performance.now() + limits.timeMs;
  const files = new Map<string, KnownFile>();
  let textBytes = 0;
  let truncated = false;

  const look = async (parent: FileHandle, name: string, path: string): Promise<void> => {
    const stats = await lstat(entryOf(parent, name), { bigint: true });
    if (!stats.isFile() && !stats.isSymbolicLink()) return;
    const stamp = stampOf(stats);
    let text: string | null = null;
    const bytes = Number(stats.size);
    if (stats.isFile() && bytes <= runLimits.comparedBytes && wantsText(path, stamp)) {
      if (textBytes + bytes > limits.textBytes) truncated = true;
      else {
        textBytes += bytes;
        text = await readText(entryOf(parent, name));
      }
    }
    files.set(path, {
      stamp,
      text,
      bornAtMs: Number(stats.birthtimeMs),
      modifiedAtMs: Number(stats.mtimeMs),
    });
  };
  const walk = async (handle: FileHandle, prefix: string, depth: number): Promise<void> => {
    const entries = await readdir(entryOf(handle, '.'), { withFileTypes: true });
    entries.sort((one, other) => (one.name < other.name ? -1 : 1));
    const seen = entries.filter(({ name }) => !(prefix === '' && isHome && name.startsWith('.')));
    const plain = seen.filter((entry) => !entry.isDirectory());
    for (let from = 0; from < plain.length; from += BATCH) {
      if (files.size >= limits.files || performance.now() > endMs) {
        truncated = true;
        return;
      }
      const batch = plain.slice(from, Math.min(from + BATCH, from + limits.files - files.size));
      truncated ||= batch.length < Math.min(BATCH, plain.length - from);
      await Promise.all(batch.map(({ name }) => unlessGone(look(handle, name, prefix + name))));
    }
    for (const { name } of seen.filter((entry) => entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name))) {
      if (depth === 0) truncated = true;
      else
        await unlessGone(
          openEntryFolder(handle, name).then(async (child) => {
            try {
              await walk(child, `${prefix}${name}/`, depth - 1);
            } finally {
              await child.close();
            }
          }),
        );
      if (truncated && (files.size >= limits.files || performance.now() > endMs)) return;
    }
  };
  await walk(folder.handle, '', limits.depth);
  return { files, truncated, takenAtMs };
}

/** What is different in a folder since then; null: it is there no longer. */
export async function compareFolder(
  before: FolderState,
  folder: HeldFolder | null,
  options: WalkOptions,
): Promise<Changes> {
  const after: FolderState =
    folder === null
      ? { files: new Map(), truncated: false, takenAtMs: Date.now() }
      : await readFolderState(folder, options, (path, stamp) => before.files.get(path)?.stamp !== stamp);
  const files: Changes['files'] = [];
  for (const [path, { stamp, text, bornAtMs, modifiedAtMs }] of after.files) {
    const old = before.files.get(path);
    if (old === undefined) {
      // Where not all was looked at before, a file that is not known is not therefore a new one.
      const isNew = !before.truncated || bornAtMs >= before.takenAtMs;
      if (isNew || modifiedAtMs >= before.takenAtMs)
        files.push({ path, change: isNew ? 'added' : 'changed', before: null, after: text });
    } else if (old.stamp !== stamp && (text === null || old.text !== text))
      files.push({ path, change: 'changed', before: old.text, after: text });
  }
  // Where not all was looked at, a file that was not met is not therefore gone.
  if (!after.truncated)
    for (const [path, { text }] of before.files)
      if (!after.files.has(path)) files.push({ path, change: 'removed', before: text, after: null });
  files.sort((one, other) => (one.path < other.path ? -1 : 1));
  return { truncated: before.truncated || after.truncated, files };
}

const stampOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${ino} ${size} ${mtimeNs} ${ctimeNs}`;

/** null for what is no text. */
async function readText(path: string): Promise<string | null> {
  // Between the look and this it may have become something else: no link is followed, no writer waited for.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) return null;
    const bytes = Buffer.alloc(runLimits.comparedBytes + 1);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    const content = bytes.subarray(0, bytesRead);
    if (bytesRead > runLimits.comparedBytes || content.includes(0) || !isUtf8(content)) return null;
    return content.toString();
  } finally {
    await file.close();
  }
}

/** Somebody works in the folder: what is gone, was replaced or is closed to everybody is left out. */
async function unlessGone(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM', 'ENXIO', 'EIO'].includes(code)) throw error;
  }
}
