import { HearthError, type Progress, type VmId } from '@hearth/contract';
import type { RfbDialogue, ServerInit } from '@hearth/rfb';
import type { Duplex } from 'node:stream';
import type { HostLink } from '../host-link/host-link.ts';

/** An open connection to a VM's display, after the handshake. */
export interface Display {
  socket: Duplex;
  init: ServerInit;
  /** Bytes that came after ServerInit already. */
  rest: Buffer;
}

/** Opens a connection to the display of a VM. Throws desktop_unreachable, desktop_garbled, and what openDesktop throws. */
export function connectDisplay(_host: HostLink, _id: VmId, _progress: Progress): Promise<Display> {
  return Promise.reject(new HearthError('internal', 'not built yet'));
}

/** Runs a dialogue over a connection; `rest` is what was read beyond its end. */
export function talk<T>(
  _socket: Duplex,
  _dialogue: RfbDialogue<T>,
  _progress: Progress,
  _rest?: Buffer,
): Promise<{ value: T; rest: Buffer }> {
  return Promise.reject(new HearthError('internal', 'not built yet'));
}
