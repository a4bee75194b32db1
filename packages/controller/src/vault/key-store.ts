import { HearthError, parseWith, Secret } from '@hearth/contract';
import { constants } from 'node:fs';
import { open, rename, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { masterKey, parseMasterKey, type MasterKey } from './envelope.ts';

/** Where the master keys are: the first one is the one that is used, further ones are those that are being replaced. */
export interface KeyStore {
  /** Its place in words, for messages. */
  readonly place: string;
  /** null: there is none yet. Throws vault_failed where it can't be used. */
  load(): Promise<readonly MasterKey[] | null>;
  /** Durable once it resolves. null: keys come from elsewhere, and can't be written. */
  readonly save: ((keys: readonly MasterKey[]) => Promise<void>) | null;
}

/** Keys of the environment. Throws config_invalid where they are none. */
export function environmentKeys(current: Secret, previous: Secret | null): KeyStore {
  const keys = [parseMasterKey(current, 'HEARTH_MASTER_KEY')];
  if (previous !== null) keys.push(parseMasterKey(previous, 'HEARTH_MASTER_KEY_PREVIOUS'));
  return { place: 'HEARTH_MASTER_KEY', load: async () => keys, save: null };
}

/** Keys that live as long as this process: for a rehearsal, and tests. */
export function passingKeys(): KeyStore {
  let kept: readonly MasterKey[] | null = null;
  return {
    place: 'memory',
    load: async () => kept,
    save: async (keys) => {
      kept = keys;
    },
  };
}

/** Keys first to last: the one in use, then those that are being replaced. */
const fileSchema = z.strictObject({ v: z.literal(1), keys: z.array(z.base64()).min(1).max(8) });

/** Keys in a file that only its owner, who is us, may read. */
export function fileKeys(path: string): KeyStore {
  return { place: path, load: () => load(path), save: (keys) => save(path, keys) };
}

async function load(path: string): Promise<readonly MasterKey[] | null> {
  let text: string;
  try {
    // Checked is what is read: the same open file.
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    await requireOwn(file, path);
    text = await file.readFile('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    if (error instanceof HearthError) throw error;
    throw unusable(path, error instanceof Error ? error.message : String(error));
  }
  const { keys } = parseWith(fileSchema, parseJson(text, path), 'vault_failed', `the key file ${path}`);
  return keys.map((key) => masterKey(Buffer.from(key, 'base64')));
}

async function requireOwn(file: FileHandle, path: string): Promise<void> {
  const { mode, uid } = await file.stat();
  if (uid !== process.getuid?.()) throw unusable(path, 'it belongs to another user');
  if ((mode & 0o077) !== 0) throw unusable(path, 'others than its owner may read it: chmod 600 it');
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Its parser's message would quote the text.
    throw unusable(path, 'it is not what Hearth wrote');
  }
}

/** The old file or the new one is there whenever the power goes, never a part. */
async function save(path: string, keys: readonly MasterKey[]): Promise<void> {
  const next = `${path}.next`;
  try {
    const text = JSON.stringify({ v: 1, keys: keys.map(({ key }) => key.reveal()) });
    {
      await using file = await open(next, 'w', 0o600);
      // What a crash left there may have another mode.
      await file.chmod(0o600);
      await file.writeFile(`${text}\n`);
      await file.sync();
    }
    await rename(next, path);
    await using folder = await open(dirname(path), 'r');
    await folder.sync();
  } catch (error) {
    throw unusable(path, error instanceof Error ? error.message : String(error));
  }
}

const unusable = (path: string, why: string): HearthError =>
  new HearthError('vault_failed', `the key file ${path} is not usable: ${why}`);
