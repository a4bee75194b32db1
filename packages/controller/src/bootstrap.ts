import { HearthError } from '@hearth/contract';
import { open, stat, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makePassage } from './privileges.ts';
import { makeSecret, TOKEN_PREFIX } from './users/secrets.ts';

const TOKEN_PATTERN = /^hth_[A-Za-z0-9_-]{43}$/;

/**
 * The administrator's token of this machine's own command line: read from its file, which only the file's owner
 * may read, or made anew with it. To change the token, delete the file and start again: the old one is revoked.
 */
export async function adminToken(file: string, randomBytes: (size: number) => Uint8Array): Promise<string> {
  const token = makeSecret(randomBytes, TOKEN_PREFIX);
  await makePassage(dirname(file));
  try {
    await using handle = await open(file, 'wx', 0o600);
    await handle.writeFile(`${token}\n`);
    await handle.sync();
    return token;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(file, String(error));
  }
  const { mode, uid } = await stat(file);
  if ((mode & 0o077) !== 0) throw unusable(file, 'others than its owner may read it: chmod 600 it');
  if (uid !== process.getuid?.()) throw unusable(file, 'it belongs to another user');
  const known = (await readFile(file, 'utf8')).trim();
  if (!TOKEN_PATTERN.test(known)) throw unusable(file, 'it holds no token: delete it');
  return known;
}

const unusable = (file: string, why: string): HearthError =>
  new HearthError('config_invalid', `the admin token file ${file} is not usable: ${why}`, {
    hint: 'Delete the file to have a new token made.',
  });
