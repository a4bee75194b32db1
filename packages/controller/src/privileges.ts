import { HearthError } from '@hearth/contract';
import { chmod, chown, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** Looks a user up in /etc/passwd. Throws requirement_missing where there is none, config_invalid for root. */
export async function findAccount(name: string, passwdFile = '/etc/passwd'): Promise<Account> {
  const lines = (await readFile(passwdFile, 'utf8')).split('\n').map((line) => line.split(':'));
  const [, , uid, gid] = lines.find(([user]) => user === name) ?? [];
  if (uid === undefined || gid === undefined)
    throw new HearthError('requirement_missing', `the user ${name} (controller.user) does not exist`, {
      hint: `\`hearth up\` makes it; by hand: useradd --system --shell /usr/sbin/nologin ${name}`,
    });
  if (uid === '0')
    throw new HearthError('config_invalid', 'controller.user: the controller does not run as root', {
      issues: [{ path: 'controller.user', message: 'must be an ordinary user' }],
    });
  return { name, uid: Number(uid), gid: Number(gid) };
}

export const isRoot = (): boolean => process.getuid?.() === 0;

/** Makes the controller's own folder, which only its user may enter. */
export async function makeOwnFolder(folder: string, account: Account | null): Promise<void> {
  await makePassage(dirname(folder));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (account !== null) await chown(folder, account.uid, account.gid);
}

/**
 * Makes a folder, and those above it, that several users' parts share: others may pass through, not look.
 * Folders that exist stay as they are; the umask doesn't count.
 */
export async function makePassage(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.startsWith(first); made = dirname(made)) await chmod(made, 0o711);
}

/** Becomes an ordinary user for good. Throws where the way back is still open. */
export function becomeUser({ name, uid, gid }: Account): void {
  // A working folder that the user may not enter would fail in odd places.
  process.chdir('/');
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
  if (isRoot() || canBecomeRoot())
    throw new HearthError('internal', `the controller could not give up root for ${name}`);
}

function canBecomeRoot(): boolean {
  try {
    process.setuid?.(0);
    return true;
  } catch {
    // As it should be.
    return false;
  }
}
