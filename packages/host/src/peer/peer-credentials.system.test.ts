import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { peerUid } from './peer-credentials.ts';

const NOBODY = 65_534;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-peer-'));
  await chmod(folder, 0o755);
});
afterEach(() => rm(folder, { recursive: true }));

/** Connects a child of that user, and answers what `see` says of our end. */
async function connectAs<T>(
  uid: number,
  see: (socket: Socket) => T,
): Promise<{ pid: number | undefined; seen: T }> {
  const path = join(folder, 'socket');
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  await chmod(path, 0o666);
  // Perl is on every Debian, and open to every user wherever Node may be installed.
  const program = 'IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "no connection"; sleep 60';
  const child = spawn('perl', ['-MIO::Socket::UNIX', '-e', `my $s = ${program}`, path], {
    ...{ uid, gid: uid },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [socket] = (await once(server, 'connection')) as [Socket];
  const seen = see(socket);
  socket.destroy();
  child.kill();
  await once(child, 'close');
  server.close();
  return { pid: child.pid, seen };
}

test('the kernel tells users apart, whatever they say', async () => {
  const root = await connectAs(0, peerUid);
  expect(root.seen).toEqual({ pid: root.pid, uid: 0, gid: 0 });
  const nobody = await connectAs(NOBODY, peerUid);
  expect(nobody.seen).toEqual({ pid: nobody.pid, uid: NOBODY, gid: NOBODY });
});

test('a closed connection has no peer', async () => {
  const { seen } = await connectAs(0, (socket) => {
    socket.destroy();
    return () => peerUid(socket);
  });
  expect(seen).toThrow(expect.objectContaining({ code: 'unauthenticated' }));
});

test('a TCP connection is nobody, least of all root', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { connect } = await import('node:net');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  expect(() => peerUid(socket)).toThrow(expect.objectContaining({ code: 'unauthenticated' }));
  client.destroy();
  socket.destroy();
  server.close();
});
