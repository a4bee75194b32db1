import { passwordFile } from '@hearth/rfb';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import type { LoginUser } from '../exec/login-user.ts';
import { writeWhole } from './files.ts';

/**
 * Gives the VNC server its password, which it reads at each login. The folder is the agent's, so that nobody else can put
 * anything in the file's place; the file is its reader's alone. Throws HearthError.
 */
export async function writeVncPassword(
  path: string,
  password: string,
  { uid, gid }: Pick<LoginUser, 'uid' | 'gid'>,
  randomBytes: (size: number) => Uint8Array,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writeWhole(path, Readable.from([passwordFile(password)]), {
    ...{ mode: 0o600, uid, gid, randomBytes },
    conflict: 'replace',
  });
}
