import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgress } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { receiveState } from './receive-state.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-state-'));
  // The sender below is another user.
  await chmod(folder, 0o711);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const progress = () => startProgress({ what: 'test', timeoutMs: 10_000 });
const places = () => ({ socketPath: join(folder, 'saves', 's.sock'), statePath: join(folder, 'state') });

test('what the VMM sends is in the file, counted and hashed; the socket is gone', async () => {
  const { socketPath, statePath } = places();
  const receiving = await receiveState({ socketPath, user: null, pid: process.pid }, statePath, progress());
  const sent = randomBytes(3_000_000);
  connect(socketPath).end(sent);
  const sha256 = createHash('sha256').update(sent).digest('hex');
  expect(await receiving.saved).toEqual({ bytes: sent.length, sha256 });
  expect(sent.equals(await readFile(statePath))).toBe(true);
  expect((await stat(statePath)).mode & 0o777, 'memory is for root only').toBe(0o600);
  expect(await readdir(join(folder, 'saves'))).toEqual([]);
});

test('another process of the same user can’t say what a VM’s memory was', async () => {
  const { socketPath, statePath } = places();
  const user = 'nobody';
  const receiving = await receiveState({ socketPath, user, pid: process.pid }, statePath, progress());
  // No Node: this checkout may be closed to other users.
  const forge =
    '$SIG{PIPE} = "IGNORE"; $s = IO::Socket::UNIX->new(Peer => shift) or exit 3; print $s "forged"; close $s';
  const forger = spawn('setpriv', [
    ...['--reuid=65534', '--clear-groups', 'perl', '-MIO::Socket::UNIX', '-e', forge, socketPath],
  ]);
  expect(await once(forger, 'exit'), 'it got in at the door').toEqual([0, null]);
  connect(socketPath).end('true');
  expect((await receiving.saved).bytes).toBe('true'.length);
  expect(await readFile(statePath, 'utf8')).toBe('true');
});

test('a sender that never comes, and one that breaks off, leave no socket', async () => {
  const { socketPath, statePath } = places();
  const receiving = await receiveState({ socketPath, user: null, pid: process.pid }, statePath, progress());
  receiving.stop();
  await expect(receiving.saved).rejects.toMatchObject({ code: 'snapshot_failed' });
  expect(await readdir(join(folder, 'saves'))).toEqual([]);
});
