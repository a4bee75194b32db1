import type { PixelFormat } from './pixel-format.ts';

export interface ServerGuardOptions {
  width: number;
  height: number;
  /** The format in force, see ViewerFilter.pixelFormat. */
  pixelFormat: () => PixelFormat;
  clipboardLimitBytes: number;
  /** The screen has another size now. */
  onGeometry: (width: number, height: number) => void;
}

/**
 * Follows what a server sends after the handshake without changing it: knows where each message and rectangle begins and
 * ends, in O(1) for the pixels themselves. Throws RfbError at the first byte that can't be RFB: the guest is not trusted.
 */
export interface ServerGuard {
  push(chunk: Uint8Array): void;
}

export function createServerGuard(_options: ServerGuardOptions): ServerGuard {
  throw new Error('not built yet');
}
