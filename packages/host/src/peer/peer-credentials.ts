import { HearthError } from '@hearth/contract';
import koffi from 'koffi';
import type { Socket } from 'node:net';

/** Who is at the other end of a unix socket, as the kernel noted it when it connected. */
interface PeerCredentials {
  pid: number;
  uid: number;
  gid: number;
}

// asm-generic/socket.h, as on x86_64 and arm64.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: three 32-bit numbers. */
const UCRED_BYTES = 12;

type Getsockopt = (fd: number, level: number, option: number, value: Buffer, length: number[]) => number;
let getsockopt: Getsockopt | undefined;

/** Bound at the first use, so that importing this loads no native code. */
function bindGetsockopt(): Getsockopt {
  getsockopt ??= koffi
    .load('libc.so.6')
    .func(
      'int getsockopt(int fd, int level, int option, _Out_ uint8_t *value, _Inout_ uint32_t *length)',
    ) as Getsockopt;
  return getsockopt;
}

/** Throws `unauthenticated` where the kernel can't tell, such as for a socket that is closed or no unix socket. */
export function peerUid(socket: Socket): PeerCredentials {
  const fd = descriptorOf(socket);
  if (fd === undefined)
    throw new HearthError('unauthenticated', 'the connection is closed: its peer is not known');
  const value = Buffer.alloc(UCRED_BYTES);
  const length = [UCRED_BYTES];
  const result = bindGetsockopt()(fd, SOL_SOCKET, SO_PEERCRED, value, length);
  if (result !== 0 || length[0] !== UCRED_BYTES)
    throw new HearthError('unauthenticated', 'the kernel does not know the peer of this connection');
  const credentials = { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
  // A TCP socket answers pid 0 and uid -1 instead of failing.
  if (credentials.pid <= 0 || credentials.uid === 0xffffffff)
    throw new HearthError('unauthenticated', 'this is no connection over a unix socket');
  return credentials;
}

/** Node has no public name for the descriptor of a socket. */
function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = (socket as unknown as { _handle?: unknown })._handle;
  if (handle === null || typeof handle !== 'object' || !('fd' in handle)) return undefined;
  const { fd } = handle;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
